#compdef astrid
# Completion of astrid for zsh.
# In this shell, after compinit: source <(astrid completion zsh)
# In every new one: astrid completion zsh > a folder of $fpath, as the file _astrid
_astrid() {
    local word told
    local -a open shown_open whole shown_whole
    while IFS=$'\t' read -r word told; do
        if [[ $word == *[=./] ]]; then
            open+=("$word")
            shown_open+=("$word${told:+  -- $told}")
        else
            whole+=("$word")
            shown_whole+=("$word${told:+  -- $told}")
        fi
    done < <("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    (($#open)) && compadd -S '' -d shown_open -- "${open[@]}"
    (($#whole)) && compadd -d shown_whole -- "${whole[@]}"
    (($#open + $#whole))
}
if [[ ${funcstack[1]-} == _astrid ]]; then
    _astrid "$@"
else
    compdef _astrid astrid
fi
