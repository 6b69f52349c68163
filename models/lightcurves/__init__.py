"""Networks on light curves: a GRU and a time-aware transformer."""
