# Completion of astrid for bash.
# In this shell: source <(astrid completion bash)
# In every new one: astrid completion bash > ~/.local/share/bash-completion/completions/astrid
_astrid() {
    local number word told whole="" current="${COMP_WORDS[COMP_CWORD]}" before=""
    local -a typed=()
    COMPREPLY=()
    # bash takes "=" and ":" as words of their own: put together what was typed as one.
    for ((number = 1; number <= COMP_CWORD; number++)); do
        word="${COMP_WORDS[number]}"
        if ((number > 1)) && [[ $word =~ ^[=:]+$ || $before =~ ^[=:]+$ ]]; then
            whole="${typed[-1]}$word"
            typed[-1]="$whole"
        else
            typed+=("$word")
        fi
        before="$word"
    done
    [[ $current =~ ^[=:]+$ ]] && current=""
    whole="${typed[-1]-}"
    whole="${whole%"$current"}"
    while IFS=$'\t' read -r word told; do
        COMPREPLY+=("${word#"$whole"}")
        [[ $told == file || $told == folder ]] && compopt -o filenames 2>/dev/null
        [[ $word == *[=./] ]] && compopt -o nospace 2>/dev/null
    done < <("${COMP_WORDS[0]}" completion words -- "${typed[@]}" 2>/dev/null)
}
complete -F _astrid astrid
