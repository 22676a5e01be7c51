# Activates the environment that holds this file, in fish:
#
#     source PREFIX/bin/activate.fish
#
# `deactivate` takes it back: PATH, the prompt and every variable are as they were.

function deactivate -d 'Leave the environment'
    if not set -q _LADING_PREFIX
        return 0
    end
    set -l scripts $_LADING_PREFIX/etc/conda/deactivate.d/*.fish
    for script in $scripts[-1..1]
        source $script
    end
    if set -l place (contains -i -- $_LADING_PREFIX/bin $PATH)
        set -e PATH[$place]
    end
    for name in (string split -n ' ' -- $_LADING_NAMES)
        set -l old _LADING_OLD_$name
        if set -q $old
            set -gx $name $$old
            set -e $old
        else
            set -e $name
        end
    end
    if functions -q _lading_old_prompt
        functions -e fish_prompt
        functions -c _lading_old_prompt fish_prompt
        functions -e _lading_old_prompt
    end
    set -e _LADING_PREFIX
    set -e _LADING_NAMES
    functions -e deactivate
end

function _lading_keep -a name
    set -gx _LADING_NAMES (string trim -- "$_LADING_NAMES $name")
    if set -q $name
        set -gx _LADING_OLD_$name $$name
    end
end

function _lading_set -a name value
    _lading_keep $name
    set -gx $name $value
end

function _lading_unset -a name
    _lading_keep $name
    set -e $name
end

function _lading_activate -a prefix
    set -gx _LADING_PREFIX $prefix
    set -gx _LADING_NAMES
    _lading_set CONDA_PREFIX $prefix
    _lading_set CONDA_DEFAULT_ENV (basename $prefix)
    _lading_set CONDA_PROMPT_MODIFIER "("(basename $prefix)") "
#variables
    set -gx PATH $prefix/bin $PATH
    if functions -q fish_prompt
        functions -c fish_prompt _lading_old_prompt
        function fish_prompt
            # First, for it may show the status of the last command.
            set -l lines (_lading_old_prompt)
            printf %s $CONDA_PROMPT_MODIFIER
            string join -- \n $lines
        end
    end
    for script in $prefix/etc/conda/activate.d/*.fish
        source $script
    end
end

if set -q _LADING_PREFIX
    functions -c deactivate _lading_next
    deactivate
    functions -c _lading_next deactivate
    functions -e _lading_next
end
_lading_activate (builtin realpath (dirname (status filename))/..)
functions -e _lading_keep _lading_set _lading_unset _lading_activate
