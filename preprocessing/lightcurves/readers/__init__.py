"""Files of surveys and brokers become light curves."""
