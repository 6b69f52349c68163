"""Tables for people and their tools: what each column means, and the files that carry it."""
