"""The line of names of a table that holds one object's light curve, in the spellings that people give it."""

from __future__ import annotations

import codecs
from functools import cache

from astrid_ml.preprocessing.lightcurves.readers.layouts.names import bare, words

_COLUMNS = ("time", "band")
# Other spellings of the columns; of several in one file none is chosen.
ALIASES = {
    "time": ("time", "mjd", "jd"), "band": ("band", "filter"), "mag": ("mag",), "flux": ("flux",),
    "magerr": ("magerr", "e_mag", "mag_err"), "fluxerr": ("fluxerr", "e_flux", "flux_err"),
}  # fmt: skip
_OBJECTS = {"object_id", "objectid", "oid", "snid", "source_id", "diaobjectid", "id", "name"}


def has_columns(start: bytes) -> bool:
    """Whether the first line names time, band, and a magnitude or flux with its error."""
    names = set(usual_header(start).split(b"\n", 1)[0].decode("latin-1").split(","))
    if {bare(name) for name in names} & _more():
        return False
    return set(_COLUMNS) <= names and ({"mag", "magerr"} <= names or {"flux", "fluxerr"} <= names)


@cache
def _more() -> set[str]:
    """Names of columns that make a table more than one object's measurements: objects, limits, signs, parts of days."""
    known = words()
    roles = ("object", "limit", "is_limit", "sign", "system", "detected")
    parts = {*known["hours"]} - {*ALIASES["time"]}
    return parts.union(*(known[role] for role in roles), ("lmag", "lflux")) - {
        "id",
        "name",
        "source",
        "key",
        "identifier",
    }


def usual_header(content: bytes) -> bytes:
    """Text with commas whose first line has the usual names for capitals, ``mjd``, ``filter`` or ``e_mag``.

    Semicolons and tabs become commas, and the commas of numbers between them points; a byte-order mark goes. A table
    with a column of objects is not one object's curve: its other names stay.
    """
    line, end, body = _with_commas(content.removeprefix(codecs.BOM_UTF8)).partition(b"\n")
    names = [word.strip().strip('"') for word in line.decode("latin-1").split(",")]
    if not _OBJECTS & {name.lower() for name in names}:
        for usual, others in ALIASES.items():
            found = [place for place, name in enumerate(names) if name.lower() in others]
            if usual not in names and len(found) == 1:
                names[found[0]] = usual
    return ",".join(names).encode("latin-1") + end + body


def _with_commas(content: bytes) -> bytes:
    line = content.partition(b"\n")[0]
    if b"," in line:
        return content
    mark = next((mark for mark in (b";", b"\t") if mark in line), None)
    return content if mark is None else content.replace(b",", b".").replace(mark, b",")
