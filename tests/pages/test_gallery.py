"""The gallery: each picture is there, can be read, and stands with the command that draws it."""

from __future__ import annotations

import re

from blocks import REPOSITORY
from PIL import Image

DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", PAGE)


def test_each_picture_is_there_and_can_be_read() -> None:
    assert len(SHOWN) > 10
    for words, name in SHOWN:
        with Image.open(DOCS / name) as picture:
            assert min(picture.size) > 200, name
        assert len(words.split()) > 4, name  # what it shows to those who cannot see it


def test_each_picture_stands_with_its_command() -> None:
    for section in PAGE.split("\n## ")[1:]:
        if "![" in section:
            assert re.search(r"`astrid |ResultVisualizer|plot_flux_curve|by the same line", section), section[:40]
