"""Columns of tables with a row an epoch and a column a filter: ``mag_g, magerr_g``, ``e_Vmag``, ``B, B_err``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from astrid_ml.preprocessing.lightcurves.readers.layouts.names import bare, words
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


def filter_columns(names: Sequence[str]) -> list[FilterColumn]:
    """The columns of filters in a table, each with its errors; none where there are fewer than two.

    Args:
        names: of all columns.

    Example:
        >>> [(one.band, one.error) for one in filter_columns(["mjd", "mag_g", "magerr_g", "mag_r", "magerr_r"])]
        [('g', 'magerr_g'), ('r', 'magerr_r')]
    """
    found = [(name, *split) for name in names for split in _splits(name)]
    out: dict[tuple[str, str], FilterColumn] = {}
    for name, band, base in found:
        role = "flux" if base in words()["flux"] else "mag"
        error = _error_of(band, base, name, names)
        if error is not None:
            out.setdefault((role, band), FilterColumn(band, role, name, error))
    roles = {role for role, _ in out}
    chosen = "flux" if roles == {"flux"} else "mag"
    kept = [one for (role, _), one in out.items() if role == chosen]
    return kept if len(kept) > 1 else []


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """(filter, what is measured) that a column's name may say."""
    plain = re.sub(r"[\[(].*", "", name).strip()
    if is_filter(plain):
        yield plain, ""
    parts = re.split(r"[_\-. ]+", plain)
    for at in (0, len(parts) - 1) if len(parts) > 1 else ():
        base = bare("".join(parts[:at] + parts[at + 1 :]))
        if is_filter(parts[at]) and base in (*words()["mag"], *words()["flux"]):
            yield parts[at], base
    for base in _JOINED:
        low = plain.lower()
        band = plain[: -len(base)] if low.endswith(base) else plain[len(base) :] if low.startswith(base) else ""
        if band and is_filter(band):
            yield band, base


def _error_of(band: str, base: str, value: str, names: Sequence[str]) -> str | None:
    word = bare(band)
    parts = {word + base, base + word}
    spelt = {f"{part}{error}" for part in parts for error in _ERRORS[:-2]}
    spelt |= {f"{error}{part}" for part in parts for error in _ERRORS}
    spelt |= {f"{base}{error}{word}" for error in _ERRORS} | {f"{word}{error}{base}" for error in _ERRORS}
    spelt |= {f"{error}{word}" for error in _ERRORS} | {f"{word}{error}" for error in _ERRORS[:-2]}
    return next((name for name in names if name != value and bare(name) in spelt and band in name), None)
