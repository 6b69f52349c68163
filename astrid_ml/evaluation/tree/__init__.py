"""Evaluation of hierarchical classes: metrics on the tree, calibration of each node, comparison, figures."""
