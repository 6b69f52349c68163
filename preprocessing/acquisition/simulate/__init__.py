"""An archive of simulated images, and the server that plays it."""
