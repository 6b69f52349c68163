"""Commands of the framework that need no run: audit, compare, croissant."""
