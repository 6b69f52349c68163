"""What is to be looked for: supernovae of any catalogue, with positions, dates and types."""
