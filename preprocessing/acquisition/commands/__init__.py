"""The verb of acquisition."""
