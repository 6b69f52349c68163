"""Right ascensions and declinations of a packet in degrees."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from astrid_ml.crossmatch.angles import SEXAGESIMAL

Axis = Literal["ra", "dec"]
PositionUnit = Literal["deg", "hourangle", "rad"]
_TEXT = re.compile(SEXAGESIMAL)


def degrees_of(value: Any, axis: Axis, unit: PositionUnit | None = None) -> float | None:
    """Degrees; None for None.

    Args:
        value: a number, or ``12:34:56.7``, ``12h34m56.7s``, ``-05 30 00``.
        axis: ``ra`` or ``dec``.
        unit: of numbers, degrees where it is None; ``hourangle`` is that of right ascensions alone. Texts of right
            ascensions are hours unless ``deg`` was said; those of declinations are degrees.

    Raises:
        ValueError, TypeError: no angle.

    Example:
        >>> degrees_of("01:20:00", "ra"), degrees_of("-05:30:00", "dec"), degrees_of(1.5, "ra", "hourangle")
        (20.0, -5.5, 22.5)
    """
    if value is None:
        return None
    hours = axis == "ra" and unit == "hourangle"
    try:
        plain = float(value)
    except ValueError:
        size = _sexagesimal(str(value))
        lettered = axis == "ra" and unit != "deg" and not re.search("[dD°]", str(value))
        return 15.0 * size if lettered else size
    return math.degrees(plain) if unit == "rad" else 15.0 * plain if hours else plain


def _sexagesimal(text: str) -> float:
    found = _TEXT.match(text)
    if found is None or int(found[3]) >= 60 or float(found[4] or 0) >= 60:
        raise ValueError(f"no angle: {text[:40]!r}")
    size = int(found[2]) + int(found[3]) / 60 + float(found[4] or 0) / 3600
    return -size if found[1] == "-" else size
