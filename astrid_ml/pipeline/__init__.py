"""Work units, the engine that runs them, and what a science domain must provide."""
