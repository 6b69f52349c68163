"""Every choice that a user makes, as Hydra configuration."""

if __name__ == "conf":  # one class under two names is two classes
    raise ImportError("write import astrid_ml.conf")
