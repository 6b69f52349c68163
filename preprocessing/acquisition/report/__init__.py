"""What became of a data set: accounts and a page."""
