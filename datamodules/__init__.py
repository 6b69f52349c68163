"""LightningDataModules: a prepared dataset and a split become batches."""

if __name__ == "datamodules":  # one class under two names is two classes
    raise ImportError("write import astrid_ml.datamodules")
