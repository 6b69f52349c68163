"""A whole exposure: strips, snowballs, rules, data quality, lists of events."""
