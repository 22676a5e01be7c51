#!/bin/sh
# Proof that the environment works: `check.sh PREFIX`. Needs no network; writes to a temporary directory only.
# Prints one line a check; exit code 0 if all pass.
set -eu
prefix=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -e "$prefix/bin/python" ]; then
    echo "there is a Python in $prefix" >&2
    exit 1
fi

printf 'rule copy\n  command = cp $in $out\nbuild out.txt: copy in.txt\n' > "$work/build.ninja"
echo cargo > "$work/in.txt"
"$prefix/bin/ninja" -C "$work" > "$work/log"
cmp "$work/in.txt" "$work/out.txt"
echo "ok ninja: $("$prefix/bin/ninja" --version)"

cp "$prefix/bin/ninja" "$work/program"
"$prefix/bin/patchelf" --print-needed "$work/program" > "$work/needed"
grep -q '^libc\.so' "$work/needed"
echo "ok patchelf: $("$prefix/bin/patchelf" --version)"

count=$(grep -c 'BEGIN CERTIFICATE' "$prefix/ssl/cacert.pem")
echo "ok ca-certificates: $count"
