"""Folders of somebody's stamps, of any channels and with or without a table, as the audit looks at them."""
