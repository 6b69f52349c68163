"""Text as it may be shown: a file's name or an id must not move the cursor, hide or recolour what stands around it."""

from __future__ import annotations

import re

# Control characters but for tab and line feed, and those that turn the direction of text.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""The text with its control characters written out.

    >>> print(printable("a\x1b[31mb\rc"))
    a\x1b[31mb\x0dc
    """
    return _UNSHOWN.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
