"""Numbers of a packet, and what marks that there is none."""

from __future__ import annotations

import math
import re
from typing import Any

from astrid_ml.crossmatch.marks import FAINTEST

MARKS = (-999.0, -9999.0, -99999.0)  # of numbers that nobody measured
# Further numbers of a candidate that are kept where they exist, as float.
NUMBERS = (
    "magpsf",
    "sigmapsf",
    "magzpsci",
    "rb",
    "drb",
    "fwhm",
    "classtar",
    "distnr",
    "sgscore1",
    "distpsnr1",
    "ssdistnr",
)
EXACT = 2.0**53  # from here on floats have not all whole numbers
_OF_FLOAT = re.compile(r"[-+]?\d\.?\d*[eE]\+?(1[5-9]|[2-9]\d)|[-+]?\d{16,}\.0*")  # texts that were floats before
MAGNITUDES = ("magpsf", "sigmapsf", "magzpsci")
MEASURED = ("snr", "reliability", *NUMBERS)


def whole_text(value: Any) -> str | None:
    """The text of an identifier; None for a number that may have lost digits: a float of 2^53 or more, or no whole one.

    Example:
        >>> [whole_text(value) for value in (2475433850015015001, 3608694.0, "23_inj", "1e5")]
        ['2475433850015015001', '3608694', '23_inj', '1e5']
        >>> [whole_text(value) for value in (2.47543385001502e18, "2.47543385001502e+18", "2475433850015015001.0", 1.5)]
        [None, None, None, None]
    """
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else None
    text = str(value)
    return None if isinstance(value, str) and _OF_FLOAT.fullmatch(text.strip()) else text


def number(value: Any) -> float | None:
    """A number; None for None.

    Raises:
        ValueError, TypeError: it is none.
    """
    return None if value is None else float(value)


def measured(value: Any) -> float | None:
    """A number; None for NaN and for what marks that there is none."""
    found = number(value)
    return None if found is None or math.isnan(found) or found in MARKS else found


def without_marks(record: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """A record whose numbers are null where they mark that nothing was measured, and how many became so.

    Args:
        record: with some of the columns ``MEASURED``.

    Example:
        >>> without_marks({"id": "1", "magpsf": 99.0, "ssdistnr": -999.0, "drb": 0.5})
        ({'id': '1', 'magpsf': None, 'ssdistnr': None, 'drb': 0.5}, 2)
    """
    marked = [
        name
        for name in MEASURED
        if (value := record.get(name)) is not None
        and (value in MARKS or (name in MAGNITUDES and abs(value) >= FAINTEST))
    ]
    return record | dict.fromkeys(marked), len(marked)
