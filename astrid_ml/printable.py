"""Text as it may be shown: a file's name or an id must not move the cursor, hide or recolour what stands around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Control characters but for tab and line feed, those that turn the direction of text, and those that no XML has.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_BREAKS = re.compile("[\t\n]")
_LONE = re.compile("[\ud800-\udfff]")  # halves of a pair, as JSON may spell them: no UTF-8 has them, no file holds them

LONGEST_ID = 1000  # characters: an id of a kilobyte is a damaged one
TOO_LONG = f"an id of more than {LONGEST_ID} characters"


def printable(text: str) -> str:
    r"""The text with its control characters written out.

    >>> print(printable("a\x1b[31mb\rc"))
    a\x1b[31mb\x0dc
    """
    return _UNSHOWN.sub(_written, text)


def as_id(text: str) -> str:
    r"""An id as a store keeps it, in one line.

    >>> print(as_id("ZTF\x00\n1"))
    ZTF\x00\x0a1
    """
    return _BREAKS.sub(_written, printable(text))


def encodable(text: str) -> str:
    r"""The text as UTF-8 can hold it: halves of surrogate pairs are written out, all else is as it was.

    >>> print(encodable("ZTF\udcff"))
    ZTF\udcff
    """
    return text if text.isascii() else _LONE.sub(_written, text)


def with_encodable(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts parquet can hold; the same one where they all are."""
    odd: dict[str, Any] = {}
    for name in [str(name) for name, kind in table.dtypes.items() if kind == "object"]:
        values = table[name].tolist()
        kept = [encodable(value) if isinstance(value, str) else value for value in values]
        if any(a is not b for a, b in zip(values, kept, strict=True)):
            odd[name] = kept
    return table.assign(**odd) if odd else table


def _written(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
