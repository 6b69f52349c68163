"""The hierarchy of classes in training: the weighted hierarchical cross-entropy."""
