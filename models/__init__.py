"""Networks (pure torch) and the tasks that train them."""

if __name__ == "models":  # one class under two names is two classes
    raise ImportError("write import astrid_ml.models")
