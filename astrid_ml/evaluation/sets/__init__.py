"""Sets of classes that a score does not rule out."""
