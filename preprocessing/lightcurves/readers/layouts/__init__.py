"""How other people's tables of light curves are laid out: lines of names, and the layouts of brokers and services."""
