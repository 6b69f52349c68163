"""The stages from a catalogue to triplets, each kept when it is done."""
