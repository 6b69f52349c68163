"""Several trainings on one dataset whose results can be set side by side."""
