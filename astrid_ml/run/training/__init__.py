"""What ``astrid train`` does: rounds, fit, publication."""
