"""Where work runs: this process, others beside it, or machines elsewhere."""
