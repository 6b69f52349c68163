"""Where a model is valid: what its training samples were, and which new samples are like them."""
