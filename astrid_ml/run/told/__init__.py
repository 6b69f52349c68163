"""What a run says of its data and results: to the record, the page and the console."""
