"""RAPID job folders of the Roman telescope: images, catalogues and truth become samples."""
