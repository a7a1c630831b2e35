# Completion of provctl for bash: provctl itself knows what may come next, names in the store included.

_provctl()
{
    local cur=${COMP_WORDS[COMP_CWORD]} candidate
    local -a words=("${COMP_WORDS[@]:1:COMP_CWORD}")

    COMPREPLY=()
    while IFS= read -r candidate; do
        case $candidate in
        @file) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") ;;
        @dir) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$cur") ;;
        *) COMPREPLY+=("$candidate") ;;
        esac
    done < <("${COMP_WORDS[0]}" complete -- "${words[@]}" 2>/dev/null)
    # Names may have colons, at which readline begins a new word.
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$cur"
    fi
}

complete -o filenames -F _provctl provctl
