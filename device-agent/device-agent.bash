# Completion of device-agent for bash.

_device_agent()
{
    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    local commands='run provision status renew needs-renewal inject-claim reset doctor version help'

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --config | --timeout | --level) i=$((i + 1)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]} && break ;;
        esac
    done
    case $before in
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
    --level) mapfile -t COMPREPLY < <(compgen -W 'identity full' -- "$cur") && return ;;
    --timeout) return ;;
    esac
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "$commands --config --help --version" -- "$cur") ;;
    help) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
    provision) mapfile -t COMPREPLY < <(compgen -W '--config --timeout --help' -- "$cur") ;;
    status | needs-renewal) mapfile -t COMPREPLY < <(compgen -W '--config --json --help' -- "$cur") ;;
    renew) mapfile -t COMPREPLY < <(compgen -W '--config --timeout --no-wait --help' -- "$cur") ;;
    reset) mapfile -t COMPREPLY < <(compgen -W '--config --level --yes --timeout --no-wait --help' -- "$cur") ;;
    doctor) mapfile -t COMPREPLY < <(compgen -W '--config --json --offline --help' -- "$cur") ;;
    inject-claim)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        [[ $cur != -* ]] || mapfile -t COMPREPLY < <(compgen -W '--config --help' -- "$cur")
        ;;
    *) mapfile -t COMPREPLY < <(compgen -W '--config --help' -- "$cur") ;;
    esac
}

complete -o filenames -F _device_agent device-agent
