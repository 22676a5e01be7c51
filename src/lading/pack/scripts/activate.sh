# Activates the environment that holds this file, in bash, zsh, ksh, dash and other POSIX shells:
#
#     . PREFIX/bin/activate
#
# `. deactivate` takes it back: PATH, the prompt and every variable are as they were.

_lading_find_prefix() {
    # Sets _lading_prefix. What one shell understands is an error to another, hence `eval`.
    _lading_file=
    if [ -n "${BASH_VERSION:-}" ]; then
        eval '_lading_file=${BASH_SOURCE[0]}'
    elif [ -n "${ZSH_VERSION:-}" ]; then
        eval '_lading_file=${(%):-%x}'
    elif [ -n "${KSH_VERSION:-}" ]; then
        _lading_file=$(eval 'printf %s "${.sh.file}"' 2>/dev/null)
    fi
    if [ -z "$_lading_file" ] && [ -r /proc/self/stat ]; then
        # dash and busybox do not say which file they read, but they hold it open.
        read -r _lading_process _lading_rest </proc/self/stat
        for _lading_open in "/proc/$_lading_process/fd"/*; do
            case $(readlink "$_lading_open") in
                */bin/activate) _lading_file=$(readlink "$_lading_open") ;;
            esac
        done
    fi
    case $_lading_file in
        */*) _lading_prefix=$(CDPATH='' cd "${_lading_file%/*}/.." && pwd) ;;
        activate) _lading_prefix=$(CDPATH='' cd .. && pwd) ;;
        *) _lading_prefix=${LADING_PREFIX:-} ;;
    esac
    if [ ! -d "$_lading_prefix/conda-meta" ]; then
        echo "activate: this shell does not tell where this file is; set LADING_PREFIX to" \
            "the directory of the environment, and source it again" >&2
        return 1
    fi
}

_lading_keep() {
    # Keep what a variable is now, for `deactivate`.
    _LADING_NAMES="${_LADING_NAMES:+$_LADING_NAMES }$1"
    eval "_lading_was=\${$1+set}"
    if [ -n "$_lading_was" ]; then
        eval "_LADING_OLD_$1=\$$1; export _LADING_OLD_$1"
    fi
}

_lading_set() {
    _lading_keep "$1"
    eval "$1=\$2; export $1"
}

_lading_unset() {
    _lading_keep "$1"
    unset "$1"
}

_lading_activate() {
    _lading_find_prefix || return 1
    if [ -n "${_LADING_PREFIX:-}" ]; then
        . "$_lading_prefix/bin/deactivate"
    fi
    _LADING_PREFIX=$_lading_prefix
    _LADING_NAMES=
    _lading_set CONDA_PREFIX "$_lading_prefix"
    _lading_set CONDA_DEFAULT_ENV "${_lading_prefix##*/}"
    _lading_set CONDA_PROMPT_MODIFIER "(${_lading_prefix##*/}) "
#variables
    PATH=$_lading_prefix/bin${PATH:+:$PATH}
    export PATH _LADING_PREFIX _LADING_NAMES
    hash -r 2>/dev/null || :
    if [ -n "${PS1:-}" ]; then
        _LADING_OLD_PS1=$PS1
        PS1="(${_lading_prefix##*/}) $PS1"
    fi
    if [ -n "${ZSH_VERSION:-}" ]; then
        setopt local_options no_nomatch
    fi
    for _lading_script in "$_lading_prefix"/etc/conda/activate.d/*.sh; do
        if [ -r "$_lading_script" ]; then
            . "$_lading_script"
        fi
    done
    return 0 # whatever the last script ended with
}

# Scripts of packages are not written for `set -e` nor for `set -u`.
_lading_options=
case $- in *e*) _lading_options=-e ;; esac
case $- in *u*) _lading_options=${_lading_options:--}u ;; esac
set +eu
_lading_activate
_lading_status=$?
unset -f _lading_find_prefix _lading_keep _lading_set _lading_unset _lading_activate
unset _lading_file _lading_process _lading_rest _lading_open _lading_prefix _lading_was \
    _lading_script
if [ -n "$_lading_options" ]; then
    set "$_lading_options"
fi
return "$_lading_status"
