"""Times of a packet as MJD: days from any zero, Julian dates, and texts of ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

JD_OF_MJD_0 = 2400000.5
UNKNOWN_DAY = float("inf")  # a time that is no time: beyond what ``packet.RANGES`` takes, so it becomes null and counts
_FIRST = datetime(1858, 11, 17, tzinfo=UTC)
_DAY_ALONE = 10  # characters of 2026-11-29


def mjd_of(value: Any, kind: str, zero: float | None = None) -> tuple[float, bool]:
    """MJD, and whether it is UTC by its own word (a text with ``Z`` or ``+00:00``).

    Args:
        value: as it stands in the packet.
        kind: ``jd``, ``mjd``, ``days`` since ``zero``, or ``iso``; a text that is a date is read so, whatever the kind.
        zero: Julian date of day 0.

    Returns:
        ``UNKNOWN_DAY`` for a date without a time of the day, and for a number where dates are said to be.

    Raises:
        ValueError, TypeError: neither a number nor a date.

    Example:
        >>> mjd_of("2023-02-25T06:00:00", "mjd"), mjd_of(3000.75, "days", 2457000.0), mjd_of(2460000.75, "jd")
        ((60000.25, False), (60000.25, False), (60000.25, False))
    """
    days = _number(value)
    if days is None:
        return _of_date(str(value).strip())
    if kind == "iso":
        return UNKNOWN_DAY, False
    return days - {"jd": JD_OF_MJD_0, "days": JD_OF_MJD_0 - (zero or 0.0)}.get(kind, 0.0), False


def _number(value: Any) -> float | None:
    """A number, of a text too; None for a text that is none."""
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return UNKNOWN_DAY
    except ValueError:
        if isinstance(value, str):
            return None
        raise


def _of_date(text: str) -> tuple[float, bool]:
    moment = datetime.fromisoformat(text)
    if len(text) <= _DAY_ALONE:
        return UNKNOWN_DAY, False
    said = moment.tzinfo is not None
    since = (moment if said else moment.replace(tzinfo=UTC)) - _FIRST
    return since.days + (since.seconds + since.microseconds / 1e6) / 86400, said
