# Takes back what `. PREFIX/bin/activate` did, in the same shell or one that was started from it:
#
#     . deactivate

_lading_forget() {
    if [ -z "${_LADING_PREFIX:-}" ]; then
        return 0
    fi
    if [ -n "${ZSH_VERSION:-}" ]; then
        setopt local_options no_nomatch
    fi
    set --
    for _lading_script in "$_LADING_PREFIX"/etc/conda/deactivate.d/*.sh; do
        set -- "$_lading_script" "$@"
    done
    for _lading_script in "$@"; do
        if [ -r "$_lading_script" ]; then
            . "$_lading_script"
        fi
    done
    case ":$PATH:" in
        *":$_LADING_PREFIX/bin:"*)
            _lading_path=":$PATH:"
            _lading_path=${_lading_path%%":$_LADING_PREFIX/bin:"*}:${_lading_path#*":$_LADING_PREFIX/bin:"}
            _lading_path=${_lading_path#:}
            PATH=${_lading_path%:}
            ;;
    esac
    case ${_LADING_NAMES:-} in
        *[!A-Za-z0-9_\ ]*) ;;
        *) eval "set -- ${_LADING_NAMES:-}" ;;
    esac
    for _lading_name in "$@"; do
        eval "_lading_was=\${_LADING_OLD_$_lading_name+set}"
        if [ -n "$_lading_was" ]; then
            eval "$_lading_name=\$_LADING_OLD_$_lading_name; export $_lading_name"
            unset "_LADING_OLD_$_lading_name"
        else
            unset "$_lading_name"
        fi
    done
    if [ -n "${_LADING_OLD_PS1+set}" ]; then
        PS1=$_LADING_OLD_PS1
        unset _LADING_OLD_PS1
    fi
    hash -r 2>/dev/null || :
    unset _LADING_PREFIX _LADING_NAMES
}

# Scripts of packages are not written for `set -e` nor for `set -u`.
_lading_flags=
case $- in *e*) _lading_flags=-e ;; esac
case $- in *u*) _lading_flags=${_lading_flags:--}u ;; esac
set +eu
_lading_forget
unset -f _lading_forget
unset _lading_script _lading_path _lading_name _lading_was
if [ -n "$_lading_flags" ]; then
    set "$_lading_flags"
fi
