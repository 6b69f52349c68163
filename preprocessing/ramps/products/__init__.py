"""Files that go back into pipelines."""
