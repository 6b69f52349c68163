"""One RAPID job folder: its files, catalogues, frames, truth, match."""
