"""The runs behind the commands: train, predict, evaluate."""
