"""Numbers of a packet, and what marks that there is none."""

from __future__ import annotations

import math
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
MAGNITUDES = ("magpsf", "sigmapsf", "magzpsci")
MEASURED = ("snr", "reliability", *NUMBERS)


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
