# Completion of astrid for fish.
# In this shell: astrid completion fish | source
# In every new one: astrid completion fish > ~/.config/fish/completions/astrid.fish
function __astrid_words
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    test (count $current) -eq 0; and set current ''
    command $typed[1] completion words -- $typed[2..-1] $current 2>/dev/null
end
complete -c astrid -f -a '(__astrid_words)'
