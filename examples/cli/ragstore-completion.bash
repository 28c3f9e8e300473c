# Completion of the commands, options, entities and sessions of ragstore(1) in bash.

_ragstore_words() { # the ids that a command lists, one a line
    local directory=() i
    for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
        case ${COMP_WORDS[i]} in
        -d | --data-dir) directory=(--data-dir "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    "${COMP_WORDS[0]}" "$@" "${directory[@]}" --quiet --model none 2>/dev/null | cut -f 1
}

_ragstore() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local commands='create list add show search chat sessions delete backup restore check compact export stats'
    local takes=' -d --data-dir --model --precision --extractor --busy-timeout --color -n --limit --offset -m --match'
    takes+=' --name --description --metadata --filename --type --source --key --mode --neighbors'
    takes+=' --min-score --document -f --filter -s --session --llm-url --llm-model --search --rename '
    local command='' entity='' i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ $takes == *" ${COMP_WORDS[i - 1]} "* ]] && continue
        [[ ${COMP_WORDS[i]} == -* ]] && continue
        if [ -z "$command" ]; then
            command=${COMP_WORDS[i]}
        elif [ -z "$entity" ]; then
            entity=${COMP_WORDS[i]}
        fi
    done
    case $before in
    -d | --data-dir | --model | --extractor)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --color) mapfile -t COMPREPLY < <(compgen -W 'always never auto' -- "$word"); return ;;
    --precision) mapfile -t COMPREPLY < <(compgen -W 'float32 int16 int8' -- "$word"); return ;;
    --mode) mapfile -t COMPREPLY < <(compgen -W 'hybrid vector keyword' -- "$word"); return ;;
    -s | --session)
        [ -z "$entity" ] || mapfile -t COMPREPLY < <(compgen -W "$(_ragstore_words sessions "$entity")" -- "$word")
        return
        ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" ${command:+"$command"} --help 2>/dev/null |
            grep -oE -- '(^| )--?[a-z][a-z-]*')" -- "$word")
    elif [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
    elif [[ $command == backup || $command == restore ]]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    elif [ -z "$entity" ] && [[ ' list add show search chat sessions delete ' == *" $command "* ]]; then
        local IFS=$'\n' id
        while read -r id; do
            [[ $id == "$word"* ]] && COMPREPLY+=("$(printf '%q' "$id")")
        done < <(_ragstore_words list)
    elif [ "$command" = add ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [ "$command" = sessions ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ragstore_words sessions "$entity")" -- "$word")
    elif [[ $command == show || $command == delete ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ragstore_words list "$entity")" -- "$word")
    fi
}

complete -o filenames -F _ragstore ragstore
