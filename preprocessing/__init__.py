"""Raw data become prepared datasets: one folder for each science domain."""
