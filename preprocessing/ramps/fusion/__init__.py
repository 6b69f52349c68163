"""Evidence of the detectors and of the network becomes one probability."""
