"""Raw data become prepared datasets: one folder for each science domain."""

if __name__ == "preprocessing":  # one class under two names is two classes
    raise ImportError("write import astrid_ml.preprocessing")
