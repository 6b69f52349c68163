"""Every page has short sentences: many who read them did not grow up with English."""

from __future__ import annotations

import re

import pytest
from blocks import FENCE, PAGES, REPOSITORY

MOST = 25  # words
COMMENT = re.compile(r"<!--.*?-->", re.S)
# A paragraph ends at an empty line, and before an item, a row of a table or a heading.
ENDS = re.compile(r"\n\s*\n|\n(?=[-|#])")


def sentences(text: str) -> list[str]:
    """The sentences of a page, code as one word and links as their words; cells of tables are taken apart."""
    plain = COMMENT.sub("", FENCE.sub("", text))
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "CODE", plain))
    parts = [part for block in ENDS.split(plain) for part in (block.split("|") if block.startswith("|") else [block])]
    return [" ".join(found.split()) for part in parts for found in re.split(r"(?<=[.:;?!])\s+", part) if found.strip()]


def long_ones(text: str) -> list[str]:
    return [sentence for sentence in sentences(text) if len(sentence.split()) > MOST]


@pytest.mark.parametrize("page", PAGES)
def test_sentences_are_short(page: str) -> None:
    assert not long_ones((REPOSITORY / page).read_text(encoding="utf-8"))


def test_a_long_sentence_is_found() -> None:
    words = " ".join(["word"] * 26)
    assert long_ones(f"# A\n\nShort one. {words}. Short.\n- item {words[:60]}\n") == [f"{words}."]
    assert long_ones(f"| a | {words} |\n```sh\n{words}\n```\n`{words}` <!-- {words} -->") == [words]
