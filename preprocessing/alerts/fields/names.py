"""Names of packets and objects as text: numbers with all their digits."""

from __future__ import annotations

import math
import re
from typing import Any

EXACT = 2**53  # beyond, neighbouring whole numbers are one float
LOST_DIGITS = "as a float: numbers of 17 digits and more do not survive it; write integers or texts"
_MANTISSA = re.compile(r"[-+]?\d(?:\.\d*)?[eE]\+?(?:1[5-9]|[2-9]\d|\d{3,})|[-+]?\d{16,}\.\d*")  # 1e5 may be a name
_WHOLE = re.compile(r"([-+]?\d{1,15})\.0*")


def exact_text(value: Any) -> str | None:
    """A name as text; None of nothing, of a float that is not whole, and of one that may have lost digits.

    Example:
        >>> exact_text(12.0), exact_text("ZTF20abc"), exact_text("7.0"), exact_text(2.4e18), exact_text(float("nan"))
        ('12', 'ZTF20abc', '7', None, None)
    """
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value == int(value) and abs(value) < EXACT else None
    text = str(value).strip()
    whole = _WHOLE.fullmatch(text)
    return None if not text or _MANTISSA.fullmatch(text) else whole[1] if whole else text


def lost_digits(value: Any) -> bool:
    """Whether a name is a number that may have lost its last digits: a large float, or the text of one.

    Example:
        >>> lost_digits(2.475433850015015e18), lost_digits("2.4754e+18"), lost_digits(2475433850015015001)
        (True, True, False)
    """
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) >= EXACT
    return isinstance(value, str) and _MANTISSA.fullmatch(value.strip()) is not None
