"""Commands over models: baseline, import-weights."""
