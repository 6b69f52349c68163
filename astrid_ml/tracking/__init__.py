"""Run records, and the trackers that mirror them."""
