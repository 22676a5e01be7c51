#!/bin/sh
# Installs the environment @NAME@ for @PLATFORM@. This file is a script with a tar.gz behind it; it
# needs sh, tar, gzip, tail, df and one of sha256sum, shasum and openssl. For what it does:
#
#     sh @FILE@ --help

name='@NAME@'
platform='@PLATFORM@'
start=@START@
payload_sha256=@PAYLOAD_SHA256@
manifest_sha256=@MANIFEST_SHA256@
kilobytes=@KILOBYTES@
files=@FILES@
longest=@LONGEST@

usage() {
    cat <<END
Usage: sh ${0##*/} [--prefix DIR] [--yes] [--verify] [--extract-only]

Install the environment $name ($platform) into a directory that does not exist, or is empty.
It is checked first, appears there only when it is complete, and works without activation.

  --prefix DIR    Where to.  [default: $PWD/$name, after a question]
  --yes           Ask nothing.
  --verify        Read every file again after it was written, and compare it with the bill.
  --extract-only  Leave the files as they are shipped; DIR/bin/conda-unpack relocates them.
  --help          Show this.

Exit codes: 0 installed, or there already; 1 files differ; 2 usage; 5 a program is missing;
7 this file is damaged; 8 the directory cannot be used.
END
}

fail() {
    code=$1
    echo "${0##*/}: $2" >&2
    [ $# -lt 3 ] || echo "hint: $3" >&2
    exit "$code"
}

sha256_of_payload() {
    if command -v sha256sum >/dev/null 2>&1; then
        tail -c "+$start" "$0" | sha256sum
    elif command -v shasum >/dev/null 2>&1; then
        tail -c "+$start" "$0" | shasum -a 256
    elif command -v openssl >/dev/null 2>&1; then
        tail -c "+$start" "$0" | openssl dgst -sha256 -r
    else
        fail 5 "there is no sha256sum, shasum or openssl" "install one of them"
    fi
}

prefix=
yes=
verify=
extract_only=
while [ $# -gt 0 ]; do
    case $1 in
        --prefix)
            [ $# -gt 1 ] || fail 2 "--prefix needs a directory"
            prefix=$2
            shift
            ;;
        --prefix=*) prefix=${1#*=} ;;
        --yes) yes=yes ;;
        --verify) verify=yes ;;
        --extract-only) extract_only=yes ;;
        --help)
            usage
            exit 0
            ;;
        *) fail 2 "no such option: $1" "see --help" ;;
    esac
    shift
done

[ -f "$0" ] || fail 2 "this script must be a file" "save it, then run: sh FILE"
for program in tar gzip tail df; do
    command -v $program >/dev/null 2>&1 || fail 5 "there is no $program" "install it"
done
if [ -z "$prefix" ]; then
    prefix=$PWD/$name
    if [ -z "$yes" ]; then
        [ -t 0 ] || fail 2 "nobody can be asked where to install" "add --prefix DIR, or --yes"
        printf 'Install %s into %s? [y/N] ' "$name" "$prefix"
        read -r answer || answer=
        case $answer in y | Y | yes) ;; *) fail 2 "nothing was installed" ;; esac
    fi
fi

# The absolute path, whose parents may not exist yet.
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
while [ "$prefix" != "${prefix%/}" ]; do prefix=${prefix%/}; done
[ -n "$prefix" ] || fail 8 "the root directory cannot be used"
parent=${prefix%/*}
case $prefix in */. | */..) fail 2 "--prefix must end with a name" ;; esac
if [ "$longest" -gt 0 ]; then
    length=$(LC_ALL=C; printf %s "$prefix" | wc -c)
    [ "$length" -le "$longest" ] ||
        fail 8 "$prefix has $((length)) bytes; this environment allows $longest" "choose a shorter path"
fi

state="{\"manifest\":\"$manifest_sha256\",\"prefix\":\"$prefix\"}"

is_there() {
    [ -r "$prefix/conda-meta/lading/state.json" ] || return 1
    read -r line <"$prefix/conda-meta/lading/state.json" && [ "$line" = "$state" ]
}

is_free() {
    [ ! -e "$prefix" ] && [ ! -L "$prefix" ] && return 0
    rmdir "$prefix" 2>/dev/null
}

if is_there; then
    if [ -n "$verify" ]; then
        "$prefix/bin/conda-unpack" --verify || exit
    fi
    echo "$name is there already: $prefix"
    exit 0
fi
is_free || fail 8 "$prefix exists already" "choose another directory, or move this one away"

printf 'checking %s ...\n' "${0##*/}"
found=$(sha256_of_payload) || exit
[ "${found%% *}" = "$payload_sha256" ] ||
    fail 7 "this file is damaged: SHA-256 ${found%% *} instead of $payload_sha256" "fetch it again"

mkdir -p "${parent:-/}" || fail 8 "$parent cannot be made" "choose another directory"
number_free() {
    # Of kilobytes, or with -i of inodes: the fourth column. Empty where df does not tell.
    df -P "$@" "${parent:-/}" 2>/dev/null | tail -n 1 | {
        read -r _ _ _ free _ && case $free in '' | *[!0-9]*) ;; *) echo "$free" ;; esac
    }
}
free=$(number_free -k)
[ -z "$free" ] || [ "$free" -ge "$kilobytes" ] ||
    fail 8 "needs $((kilobytes / 1024)) MiB, $((free / 1024)) MiB are free in ${parent:-/}" "free space there"
# Some file systems count no inodes and say 0.
free=$(number_free -i)
[ "${free:-0}" -eq 0 ] || [ "$free" -ge "$files" ] ||
    fail 8 "needs $files inodes, $free are free in ${parent:-/}" "remove files there"

temporary=$parent/.${prefix##*/}.lading-$$
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' HUP INT TERM
mkdir "$temporary" || fail 8 "$temporary cannot be made" "choose another directory"
printf 'extracting %s files ...\n' "$files"
tail -c "+$start" "$0" | gzip -dc | (cd "$temporary" && tar -xpof -) ||
    fail 8 "the files cannot be written to $parent" "free space there"
if [ -z "$extract_only" ]; then
    # Files that name the prefix are rewritten by a python, the environment's or another.
    if "$temporary/bin/conda-unpack" --prefix "$prefix"; then
        [ -z "$verify" ] || "$temporary/bin/conda-unpack" --verify || exit
    else
        code=$?
        # Without a python there is nothing to do where no file names the prefix.
        read -r record <"$temporary/conda-meta/lading/relocation.json"
        case $code$verify$record in 5\{*'"files":[]'*) ;; *) exit "$code" ;; esac
        echo "$state" >"$temporary/conda-meta/lading/state.json"
    fi
fi
chmod 755 "$temporary"
is_free || fail 8 "$prefix appeared while it was installed" "use that one, or move it away"
mv "$temporary" "$prefix" || fail 8 "$prefix cannot be made" "choose another directory"
printf '%s is in %s\nTo activate it: . %s/bin/activate\n' "$name" "$prefix" "$prefix"
exit 0
