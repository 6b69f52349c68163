"""SNANA TEXT: one file an object (or several objects in one file), ``KEY: value`` and ``OBS:`` rows.

SNANA manual, section 4 (data files in TEXT format). Dialects that are read: VARLIST or VARNAMES, BAND or FLT, DECL or
DEC, ``value +- error``, comments behind ``#``, host magnitudes in the order of FILTERS, spectra in the same file, NVAR
that does not count the last names, gzipped files, a ``VERSION.LIST`` that names the files of the version.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.inflating import is_gzip, read_inflated, start_of_gzip
from astrid_ml.preprocessing.lightcurves.curves.bands import short_name
from astrid_ml.preprocessing.lightcurves.curves.fluxes import fluxes_of_magnitudes
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account, clean
from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES, REDSHIFTS
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths, why_damaged
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.snana import ZERO_POINT, band_wavelengths, fluxcal_of, object_table

SUFFIXES = (".dat", ".txt", ".text", ".snana")
START = 16384  # bytes by which a file is known
DAMAGE = (OSError, EOFError, zlib.error, ValueError)
MAGNITUDES = (("MAG",), ("MAGERR", "MAG_ERR"))  # of files without fluxes
_SNID = re.compile(r"^\s*SNID:", re.MULTILINE)
_OTHER = re.compile(r"^\s*(?:SURVEY|NVAR|VARLIST|VARNAMES|OBS|FILTERS):", re.MULTILINE)
_NUMBERS = {*OTHER_FEATURES, "PEAKMJD", "SNTYPE", "SIM_TYPE_INDEX", "SIM_REDSHIFT_HELIO"}
_NUMBERS |= {name for one in REDSHIFTS for name in (one, f"{one}_ERR")}
_TEXTS = ("SIM_TYPE_NAME", "SIM_MODEL_NAME")
# Names that older files have for the same thing.
_ALIASES = {"DECL": "DEC", "SEARCH_PEAKMJD": "PEAKMJD", "TYPE": "SNTYPE", "SIM_PEAKMJD": "PEAKMJD"}
_ALIASES |= {"HOST_GALAXY_PHOTO-Z": "HOSTGAL_PHOTOZ", "HOST_GALAXY_SPEC-Z": "HOSTGAL_SPECZ"}


@dataclass
class TextObject:
    """What one object's text says.

    Args:
        keys: header keys with the words behind them.
        names: columns of the OBS rows.
        rows: their words.
        short: OBS rows with fewer words than columns.
    """

    keys: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    short: int = 0

    def word(self, key: str) -> str:
        """The first word behind a key; empty where there is none."""
        return next(iter(self.keys.get(key, ())), "")

    def column(self, *names: str) -> list[str] | None:
        """Words of the first of these columns that exists."""
        place = next((self.names.index(name) for name in names if name in self.names), None)
        return None if place is None else [row[place] if place < len(row) else "nan" for row in self.rows]


def is_text_file(path: Path) -> bool:
    """Whether a file looks like SNANA TEXT: by its ending, and SNID beside another key in its first 16 kB."""
    if not path.name.lower().removesuffix(".gz").endswith(SUFFIXES):
        return False
    try:
        start = first_bytes(path).decode("latin-1")
    except DAMAGE:
        return False
    return bool(_SNID.search(start) and _OTHER.search(start))


def first_bytes(path: Path) -> bytes:
    """The beginning of a file, unpacked; of one that is cut off what can be read."""
    if is_gzip(path):
        return start_of_gzip(path, START)
    with path.open("rb") as stream:
        return stream.read(START)


def list_beside(folder: Path) -> Path | None:
    """The folder's ``VERSION.LIST``; None where there is none or more than one."""
    found = sorted(folder.glob("*.LIST"))
    return found[0] if len(found) == 1 else None


def listed_names(path: Path) -> list[str]:
    """File names in a LIST file."""
    return path.read_text(encoding="latin-1").split()


def parse(text: str) -> Iterator[TextObject]:
    """Objects of one file; a second SNID begins the next one."""
    current = TextObject()
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0] == "OBS:":
            add_row(current, words[1:])
            continue
        for key, values in keyed(words):
            if key in ("SURVEY", "SNID") and key in current.keys:
                yield current
                current = TextObject()
            if key in ("VARLIST", "VARNAMES"):
                current.names = values
            else:
                current.keys.setdefault(_ALIASES.get(key, key), values)
    if "SNID" in current.keys:
        yield current


def keyed(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """(key, words behind it) of a line, which may hold several."""
    places = [place for place, word in enumerate(words) if word.endswith(":") and len(word) > 1]
    for place, end in zip(places, [*places[1:], len(words)], strict=False):
        yield words[place][:-1], list(words[place + 1 : end])


def add_row(current: TextObject, values: list[str]) -> None:
    """Append an OBS row; one that was cut off is counted. NVAR counts more reliably than the names."""
    wanted = int(current.word("NVAR")) if current.word("NVAR").isdigit() else len(current.names)
    if len(values) < min(wanted, len(current.names)):
        current.short += 1
    else:
        current.rows.append(values)


def read_text(
    members: Sequence[Path], account: Account, wavelengths: Mapping[str, float] | None = None, size: int = 1000
) -> Iterator[CurveTable]:
    """Curves of a folder's TEXT files, ``size`` files at a time.

    Args:
        members: files of one folder.
        account: gets files that are damaged, objects without rows, rows that were cut off.
        wavelengths: the user's wavelengths of bands.
        size: files in a table.
    """
    for first in range(0, len(members), size):
        found: list[tuple[TextObject, str]] = []
        for path in members[first : first + size]:
            try:
                found += [(item, path.name) for item in parse(read_inflated(path).decode("latin-1"))]
            except DAMAGE as error:
                account.fail(path.name, why_damaged(error))
        usable = [(item, name) for item, name in found if is_usable(item, name, account)]
        if usable:
            yield clean(build(usable, members[0].parent.name, wavelengths), account)


def is_usable(item: TextObject, file: str, account: Account) -> bool:
    """Whether an object has rows with the needed columns; says what is wrong, and what was repaired."""
    name, promised = item.word("SNID"), item.word("NOBS")
    light = MAGNITUDES if has_magnitudes(item) else (("FLUXCAL",), ("FLUXCALERR",))
    needed = [("MJD",), *light, ("BAND", "FLT")]
    absent = [" or ".join(names) for names in needed if not set(names) & set(item.names)]
    problem = ""
    if not item.names and "EPOCH" in item.keys:
        problem = "EPOCH: blocks (SNANA before 2010) are not read: OBS rows are needed"
    elif not item.rows and not item.short:
        problem = "no observations"
    elif absent:
        problem = f"no column {', '.join(absent)} in VARLIST"
    elif not item.rows:
        problem = "no whole OBS row"
    if problem:
        account.drop(name, problem, file)
        account.read += 1
        return False
    if item.short or (promised.isdigit() and int(promised) != len(item.rows)):
        account.repair(name, f"NOBS says {promised or 'nothing'}, {len(item.rows)} whole OBS rows are kept", file)
        account.counts["rows_cut_off"] += item.short
    return True


def has_magnitudes(item: TextObject) -> bool:
    """Whether an object has magnitudes with errors, and no fluxes."""
    return "FLUXCAL" not in item.names and all(set(names) & set(item.names) for names in MAGNITUDES)


def fluxes(items: Sequence[TextObject]) -> tuple[Any, Any]:
    """FLUXCAL and its error of all objects; of magnitudes (27.5 - 2.5 log10 of it) where an object has no fluxes."""
    given = [number(item.word(ZERO_POINT)) for item in items]
    factors = fluxcal_of(np.array([np.nan if zp is None else zp for zp in given], dtype=np.float64))
    factor = np.repeat(factors, [len(item.rows) for item in items])
    flux, error = flat(items, "FLUXCAL") * factor, flat(items, "FLUXCALERR") * factor
    of_magnitudes = np.repeat([has_magnitudes(item) for item in items], [len(item.rows) for item in items])
    if of_magnitudes.any():
        computed = fluxes_of_magnitudes(*(flat(items, *names) for names in MAGNITUDES))
        flux, error = (np.where(of_magnitudes, new, old) for new, old in zip(computed, (flux, error), strict=True))
    return flux, error


def build(named: Sequence[tuple[TextObject, str]], version: str, wavelengths: Mapping[str, float] | None) -> CurveTable:
    """Objects of several files, each with its file's name, as one table; the folder's name is SNANA's VERSION."""
    items = [item for item, _ in named]
    lengths = [len(item.rows) for item in items]
    bands = [name for item in items for name in item.column("BAND", "FLT") or ()]
    codes, names = pd.factorize(np.array(bands, dtype=object))
    filters = "".join(sorted({letter for item in items for letter in item.word("FILTERS")}))
    header = {"VERSION": version, "FILTERS": filters}
    numbers = pd.DataFrame([numbers_of(item) for item in items])
    head: dict[str, Any] = {str(name): numbers[name].to_numpy(dtype=np.float64) for name in numbers}
    head |= {name: np.nan_to_num(head[name], nan=-9.0) for name in ("SNTYPE",) if name in head}
    head["SNID"] = np.array([item.word("SNID").encode("latin-1") for item in items])
    head |= {key: np.array([item.word(key).encode("latin-1") for item in items]) for key in _TEXTS}
    objects = object_table(header, head)
    objects["file"] = [name for _, name in named]
    told = np.array([_type_told(item) for item in items], dtype=object)
    objects["label"] = objects["label"].where(objects["label"].notna(), told)
    objects["survey"] = [item.word("SURVEY").split("(")[0] or None for item in items]
    raw = [str(name) for name in names]
    flux, error = fluxes(items)
    return CurveTable(
        objects,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        flat(items, "MJD").astype(np.float64),
        flux.astype(np.float32),
        error.astype(np.float32),
        np.nan_to_num(flat(items, "PHOTFLAG")).astype(np.int32),
        codes.astype(np.int16),
        tuple(short_name(name) for name in raw),
        band_wavelengths(header, raw, wavelengths),
    )


def _type_told(item: TextObject) -> str | None:
    """The class in the comment of a simulation (SNPCC's ``SN Type = Ia , MODEL = SALT2``); None where none is told."""
    found = re.search(r"SN Type\s*=\s*(\w+)", " ".join(item.keys.get("SIM_COMMENT", ())))
    return found[1] if found else None


def flat(items: Sequence[TextObject], *names: str) -> Any:
    """A column of all objects as numbers, by its first name that is there: 0 for objects without, NaN for words."""
    words: list[str] = []
    for item in items:
        words += item.column(*names) or ["0"] * len(item.rows)
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        return pd.to_numeric(pd.Series(words), errors="coerce").to_numpy(dtype=np.float64)


def numbers_of(item: TextObject) -> dict[str, float]:
    """Header numbers by SNANA's column names; ``value +- error`` gives two."""
    out: dict[str, float] = {}
    for key, words in item.keys.items():
        if key in ("HOSTGAL_MAG", "HOSTGAL_MAGERR"):
            values = [value for value in map(number, words) if value is not None]
            out |= {f"{key}_{band}": value for band, value in zip(item.word("FILTERS"), values, strict=False)}
        elif key in _NUMBERS and words:
            value = number(words[0])
            out |= {} if value is None else {key: value}
            if len(words) > 2 and words[1] == "+-" and f"{key}_ERR" in _NUMBERS:
                error = number(words[2])
                out |= {} if error is None else {f"{key}_ERR": error}
    return {name: value for name, value in out.items() if name in _NUMBERS}


def number(word: str) -> float | None:
    """A word as a number; None where it is none."""
    try:
        return float(word)
    except ValueError:
        return None


def account_for_list(members: Sequence[Path], listed: Path, account: Account) -> list[Path]:
    """The members that a LIST file names; those that are absent are dropped by name, further ones are counted."""
    by_name = {path.name: path for path in members}
    by_name |= {path.name.removesuffix(".gz"): path for path in members}
    names = Counter(listed_names(listed))
    chosen = [by_name[name] for name in names if name in by_name]
    absent = [name for name in names if name not in by_name]
    account.drop(absent, f"named in {listed.name}, no such SNANA TEXT file", listed.name)
    account.read += len(absent)
    account.counts["files_not_in_LIST"] += len(set(members) - set(chosen))
    return chosen


@dataclass(frozen=True)
class SnanaTextReader:
    """TEXT files of SNANA, an object each; a LIST beside them says which count."""

    kind: ClassVar[str] = "snana_text"
    known_as: ClassVar[str] = "SNANA TEXT files"
    grouped: ClassVar[bool] = True
    cut: ClassVar[bool] = True

    def recognise(self, path: Path) -> CurveSource | None:
        """By its first lines."""
        if not is_text_file(path):
            return None
        listed = list_beside(path.parent)
        return CurveSource(self, path, {"list": listed} if listed else {}, members=(path,))

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        listed = source.companions.get("list")
        members = account_for_list(source.members, listed, account) if listed else source.members
        yield from read_text(members, account, wavelengths)


READERS: tuple[CurveReader, ...] = (SnanaTextReader(),)
