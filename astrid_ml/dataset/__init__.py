"""The prepared dataset: index, arrays, fingerprint, Croissant."""
