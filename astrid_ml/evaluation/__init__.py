"""From predictions to numbers with intervals, and to the report."""
