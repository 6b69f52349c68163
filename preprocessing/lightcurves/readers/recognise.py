"""Which reader takes which file: a raw folder becomes sources, a source becomes tables of curves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.files import walk
from astrid_ml.preprocessing.lightcurves.curves.exchange import is_exchange, read_exchange
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers import long_tables, magnitude_files
from astrid_ml.preprocessing.lightcurves.readers.nested_alerts import has_nested_sources, is_nested_avro, read_alerts
from astrid_ml.preprocessing.lightcurves.readers.snana import is_head, phot_beside, snana_blocks
from astrid_ml.preprocessing.lightcurves.readers.snana_text import (
    account_for_list,
    is_text_file,
    list_beside,
    read_text,
)

_PLASTICC = {"object_id", "mjd", "flux"}
# Kinds whose files hold one object (or one night) each: those of a folder are read together.
GROUPED = ("snana_text", "alerts", "curve_files")
GROUP_SIZE = 2000


@dataclass(frozen=True)
class CurveSource:
    """One file (or pair of files, or a folder's files of one object each) with light curves.

    Args:
        kind: ``snana``, ``snana_text``, ``exchange``, ``elasticc``, ``plasticc``, ``ztf``, ``alerts``, ``curve_files``
            or ``curve_archive``.
        path: the file that decides.
        companions: further files by role (``phot``, ``metadata``, ``limits``, ``labels``, ``list``, ``catalogue``).
        missing: what is needed and absent.
        members: all files of a grouped kind, ``path`` first.
    """

    kind: str
    path: Path
    companions: Mapping[str, Path]
    missing: tuple[str, ...] = ()
    members: tuple[Path, ...] = ()

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files, the deciding one first."""
        return (*(self.members or (self.path,)), *self.companions.values())

    def read(
        self, account: Account, own: Mapping[str, float] | None = None, zero_point: float | None = None
    ) -> Iterator[CurveTable]:
        """Tables of curves, block by block where the format allows it.

        Args:
            account: gets drops, repairs and counts.
            own: the user's wavelengths of bands.
            zero_point: of fluxes in files that do not tell it.
        """
        beside = self.companions
        if self.kind == "snana":
            yield from snana_blocks(self.path, account, own)
        elif self.kind == "snana_text":
            listed = beside.get("list")
            members = account_for_list(self.members, listed, account) if listed else self.members
            yield from read_text(members, account, own)
        elif self.kind == "exchange":
            for table in read_exchange(self.path):
                account.read += len(table)
                yield table
        elif self.kind == "elasticc":
            yield long_tables.read_snana_rows(self.path, account, own)
        elif self.kind == "plasticc":
            yield from long_tables.read_plasticc(self.path, beside.get("metadata"), account, own)
        elif self.kind == "alerts":
            yield read_alerts(self.members, account, own, zero_point)
        elif self.kind == "curve_files":
            yield from magnitude_files.read_members(self.members, beside.get("catalogue"), account, own, zero_point)
        elif self.kind == "curve_archive":
            yield from magnitude_files.read_archive(self.path, account, own, zero_point)
        else:
            yield long_tables.read_ztf(self.path, beside.get("limits"), beside.get("labels"), account, own)


def find_sources(raw: Sequence[Path]) -> list[CurveSource]:
    """All sources in files and folders, by path.

    Raises:
        UserError: no reader recognises a named file, or nothing was found at all.
    """
    found: list[CurveSource] = []
    for place in raw:
        named = place.is_file()
        for path in walk(place):
            source = recognise(path)
            if source is not None:
                found.append(source)
            elif named:
                raise UserError("a light-curve file", f"{path.name}, whose columns no reader knows", KNOWN)
    if not found:
        raise UserError("light-curve files", f"none in {', '.join(str(path) for path in raw)}", KNOWN)
    return grouped(found)


KNOWN = (
    "give SNANA HEAD/PHOT pairs (*HEAD.FITS[.gz]) or TEXT files, parquet of astrid convert, ELAsTiCC samples, alerts "
    "with nested sources, PLAsTiCC tables, ZTF detections, or CSV files of time, mag, magerr, band"
)


def grouped(sources: Sequence[CurveSource]) -> list[CurveSource]:
    """The sources of a folder that belong together as one; a LIST or alerts of one object forbid to cut it further."""
    groups: dict[tuple[str, Path], list[CurveSource]] = {}
    for source in sources:
        place = source.path.parent if source.kind in GROUPED else source.path
        groups.setdefault((source.kind, place), []).append(source)
    out = []
    for (kind, _), parts in groups.items():
        whole = kind not in GROUPED or kind == "alerts" or "list" in parts[0].companions
        size = len(parts) if whole else GROUP_SIZE
        for start in range(0, len(parts), size):
            members = tuple(path for part in parts[start : start + size] for path in part.members)
            out.append(replace(parts[start], members=members))
    return out


def source_of(inputs: Sequence[Path]) -> CurveSource:
    """The source that has these inputs (as :attr:`CurveSource.inputs` gave them)."""
    first = recognise(inputs[0])
    if first is None:
        raise UserError("a light-curve file", f"{inputs[0].name}, whose columns no reader knows", KNOWN)
    beside = set(first.companions.values())
    return replace(first, members=tuple(p for p in inputs if p not in beside)) if first.kind in GROUPED else first


def recognise(path: Path) -> CurveSource | None:
    """The source that a file is, by name and columns; None for anything else."""
    if path.name.startswith("."):
        return None
    if is_head(path):
        phot = phot_beside(path)
        if phot is None:
            return CurveSource("snana", path, {}, ("PHOT",))
        return CurveSource("snana", path, {"phot": phot})
    if is_text_file(path):
        listed = list_beside(path.parent)
        return CurveSource("snana_text", path, {"list": listed} if listed else {}, members=(path,))
    if path.suffix == ".avro":
        return CurveSource("alerts", path, {}, members=(path,)) if is_nested_avro(path) else None
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return CurveSource("curve_archive", path, {}) if magnitude_files.is_curve_archive(path) else None
    return _of_columns(path) if path.name.endswith((".csv", ".csv.gz", ".parquet")) else None


def _of_columns(path: Path) -> CurveSource | None:
    """The source that a table is, by its columns."""
    if path.suffix == ".csv" and magnitude_files.is_curve_file(path):
        catalogue = magnitude_files.catalogue_beside(path)
        return CurveSource("curve_files", path, {"catalogue": catalogue} if catalogue else {}, members=(path,))
    try:
        columns = long_tables.columns_of(path)
    except (OSError, ValueError):
        return None
    if path.suffix == ".parquet":
        if is_exchange(path):
            return CurveSource("exchange", path, {})
        if has_nested_sources(path):
            return CurveSource("alerts", path, {}, members=(path,))
    if {"SNID", "MJD", "FLUXCAL"} <= columns:
        return CurveSource("elasticc", path, {})
    if columns >= _PLASTICC and columns & {"passband", "filter"}:
        return CurveSource("plasticc", path, _plasticc_companions(path))
    if {"fid", "sigmapsf"} <= columns and columns & {"isdiffpos", "magpsf_corr"} and "non_detections" not in path.name:
        return CurveSource("ztf", path, _ztf_companions(path))
    return None


def _plasticc_companions(path: Path) -> dict[str, Path]:
    """The metadata beside a table of epochs: ``x_lc`` and ``x_meta``, ``x`` and ``x_metadata``, or the release's names
    (``plasticc_test_lightcurves_03.csv.gz`` and ``plasticc_test_metadata.csv.gz``)."""
    stem = path.name.split(".", 1)[0]
    words = [stem.replace("_lc", "_meta"), f"{stem}_metadata"]
    words += [re.sub(r"_(lightcurves|set)(_batch)?_?\d*$", ending, stem) for ending in ("_metadata", "_set_metadata")]
    names = [f"{word}{ending}" for word in words if word != stem for ending in (".csv", ".csv.gz", ".parquet")]
    found = [path.with_name(name) for name in names if path.with_name(name).is_file()]
    return {"metadata": found[0]} if found else {}


def _ztf_companions(path: Path) -> dict[str, Path]:
    stem = path.stem.split("_detections")[0].split("_light_curves")[0]
    guesses = {"limits": ("_non_detections",), "labels": ("_labels", "_light_curve_labels")}
    out: dict[str, Path] = {}
    for role, words in guesses.items():
        for word in words:
            for ending in (".csv", ".parquet"):
                other = path.with_name(f"{stem}{word}{ending}")
                if other.is_file():
                    out.setdefault(role, other)
    return out
