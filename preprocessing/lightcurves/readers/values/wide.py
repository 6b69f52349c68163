"""Columns of tables with a row an epoch and a column a filter: ``mag_g, magerr_g``, ``e_Vmag``, ``B, B_err``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from astrid_ml.preprocessing.lightcurves.readers.values.owners import is_filter

_ERRORS = ("err", "error", "unc", "uncertainty", "sigma", "sig", "std", "rms", "e", "d")
_JOINED = ("mag", "flux")  # what stands beside a filter's name without a mark between: Vmag


@dataclass(frozen=True)
class FilterColumn:
    """The column of one filter.

    Args:
        band: its filter, as it is spelt.
        role: ``mag`` or ``flux``.
        value: its name.
        error: name of the column of its errors.
    """

    band: str
    role: str
    value: str
    error: str


def filter_columns(names: Mapping[str, str], words: Mapping[str, Sequence[str]]) -> list[FilterColumn]:
    """The columns of filters in a table, each with its errors; none where there are fewer than two.

    Args:
        names: of all columns -> the same without capitals, marks between words and units.
        words: ``mag`` and ``flux`` -> what people call them.

    Example:
        >>> names = {name: name.replace("_", "") for name in ("mjd", "mag_g", "magerr_g", "mag_r", "magerr_r")}
        >>> [(one.band, one.error) for one in filter_columns(names, {"mag": ["mag"], "flux": ["flux"]})]
        [('g', 'magerr_g'), ('r', 'magerr_r')]
    """
    known = {*words["mag"], *words["flux"]}
    out: dict[tuple[str, str], FilterColumn] = {}
    found = [(name, *split) for name in names for split in _splits(name, known)]
    for name, band, base in found:
        role = "flux" if base in words["flux"] else "mag"
        error = _error_of(band, base, name, names)
        if error is not None:
            out.setdefault((role, band), FilterColumn(band, role, name, error))
    chosen = "flux" if {role for role, _ in out} == {"flux"} else "mag"
    kept = [one for (role, _), one in out.items() if role == chosen]
    return kept if len(kept) > 1 else []


def _splits(name: str, known: set[str]) -> Iterator[tuple[str, str]]:
    """(filter, what is measured) that a column's name may say."""
    plain = re.sub(r"[\[(].*", "", name).strip()
    if is_filter(plain):
        yield plain, ""
    parts = re.split(r"[_\-. ]+", plain)
    for at in (0, len(parts) - 1) if len(parts) > 1 else ():
        base = "".join(parts[:at] + parts[at + 1 :]).lower()
        if is_filter(parts[at]) and base in known:
            yield parts[at], base
    for base in _JOINED:
        low = plain.lower()
        band = plain[: -len(base)] if low.endswith(base) else plain[len(base) :] if low.startswith(base) else ""
        if band and is_filter(band):
            yield band, base


def _error_of(band: str, base: str, value: str, names: Mapping[str, str]) -> str | None:
    word = re.sub(r"[^a-z0-9]+", "", band.lower())
    parts = {word + base, base + word}
    spelt = {f"{part}{error}" for part in parts for error in _ERRORS[:-2]}
    spelt |= {f"{error}{part}" for part in parts for error in _ERRORS}
    spelt |= {f"{base}{error}{word}" for error in _ERRORS} | {f"{word}{error}{base}" for error in _ERRORS}
    spelt |= {f"{error}{word}" for error in _ERRORS} | {f"{word}{error}" for error in _ERRORS[:-2]}
    return next((name for name, plain in names.items() if name != value and plain in spelt and band in name), None)
