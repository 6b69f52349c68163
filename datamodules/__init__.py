"""LightningDataModules: a prepared dataset and a split become batches."""
