"""One small module for each command of the framework; those of the domains are found by name."""
