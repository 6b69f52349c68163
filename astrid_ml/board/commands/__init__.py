"""The verb of the board."""
