"""Which reader takes which file: a raw folder becomes sources, a source becomes tables of curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astrid_ml.errors import UserError
from preprocessing.lightcurves import long_tables
from preprocessing.lightcurves.exchange import is_exchange, read_exchange
from preprocessing.lightcurves.ingest import Account
from preprocessing.lightcurves.snana import is_head, phot_beside, snana_blocks
from preprocessing.lightcurves.table import CurveTable

_PLASTICC = {"object_id", "mjd", "flux"}


@dataclass(frozen=True)
class CurveSource:
    """One file (or pair of files) with light curves.

    Args:
        kind: ``snana``, ``exchange``, ``elasticc``, ``plasticc`` or ``ztf``.
        path: the file that decides.
        companions: further files by role (``phot``, ``metadata``, ``limits``, ``labels``).
        missing: what is needed and absent.
    """

    kind: str
    path: Path
    companions: Mapping[str, Path]
    missing: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files, the deciding one first."""
        return (self.path, *self.companions.values())

    def read(self, account: Account, own: Mapping[str, float] | None = None) -> Iterator[CurveTable]:
        """Tables of curves, block by block where the format allows it."""
        beside = self.companions
        if self.kind == "snana":
            yield from snana_blocks(self.path, account, own)
        elif self.kind == "exchange":
            for table in read_exchange(self.path):
                account.read += len(table)
                yield table
        elif self.kind == "elasticc":
            yield long_tables.read_snana_rows(self.path, account, own)
        elif self.kind == "plasticc":
            yield long_tables.read_plasticc(self.path, beside.get("metadata"), account, own)
        else:
            yield long_tables.read_ztf(self.path, beside.get("limits"), beside.get("labels"), account, own)


def find_sources(raw: Sequence[Path]) -> list[CurveSource]:
    """All sources in files and folders, by path.

    Raises:
        UserError: a named file is none that the readers know, or nothing was found at all.
    """
    found: list[CurveSource] = []
    for place in raw:
        named = place.is_file()
        for path in [place] if named else sorted(p for p in place.rglob("*") if p.is_file()):
            source = recognise(path)
            if source is not None:
                found.append(source)
            elif named:
                raise UserError("a light-curve file", f"{path.name}, whose columns no reader knows", KNOWN)
    if not found:
        raise UserError("light-curve files", f"none in {', '.join(str(path) for path in raw)}", KNOWN)
    return found


KNOWN = (
    "give SNANA HEAD/PHOT pairs (*HEAD.FITS[.gz]), parquet of astrid convert, ELAsTiCC samples, PLAsTiCC tables or "
    "ZTF detections"
)


def recognise(path: Path) -> CurveSource | None:
    """The source that a file is, by name and columns; None for anything else."""
    if is_head(path):
        phot = phot_beside(path)
        if phot is None:
            return CurveSource("snana", path, {}, ("PHOT",))
        return CurveSource("snana", path, {"phot": phot})
    if path.suffix not in (".csv", ".parquet") or path.name.startswith("."):
        return None
    try:
        columns = long_tables.columns_of(path)
    except (OSError, ValueError):
        return None
    if path.suffix == ".parquet" and is_exchange(path):
        return CurveSource("exchange", path, {})
    if {"SNID", "MJD", "FLUXCAL"} <= columns:
        return CurveSource("elasticc", path, {})
    if columns >= _PLASTICC and columns & {"passband", "filter"}:
        return CurveSource("plasticc", path, _plasticc_companions(path))
    if {"fid", "sigmapsf"} <= columns and columns & {"isdiffpos", "magpsf_corr"} and "non_detections" not in path.name:
        return CurveSource("ztf", path, _ztf_companions(path))
    return None


def _plasticc_companions(path: Path) -> dict[str, Path]:
    names = [path.name.replace("_lc.", "_meta."), f"{path.stem}_metadata{path.suffix}"]
    found = [path.with_name(name) for name in names if name != path.name and path.with_name(name).is_file()]
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
