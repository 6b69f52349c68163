"""What ``astrid predict`` and ``astrid evaluate`` do with a checkpoint."""
