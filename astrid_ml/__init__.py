"""astrid_ml: from raw astronomical files to honest, calibrated classifiers and scored predictions."""

__version__ = "0.1.0"
