"""The run report, the model card, the page of a sweep: files that need nothing but a browser."""
