"""A table of objects beside their light curves: types, positions and redshifts by the objects' names.

``bts.csv`` of the ZTF Bright Transient Survey (Perley et al. 2020; difference magnitudes) or ``periods.csv`` of the
SDSS Stripe 82 RR Lyrae (Sesar et al. 2010, ApJ 708, 717; total magnitudes).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from astrid_ml.preprocessing.lightcurves.curves.variability import variability_of


@dataclass(frozen=True)
class Catalogue:
    """A table of objects that stands beside their files.

    Args:
        key: its column of identifiers.
        label: its column of types.
        survey: whose objects they are.
        flux_kind: ``difference`` or ``total``.
        prefix: goes before the type (Sesar et al. write ``ab`` for RRab).
        bands: the survey's own names for its filters.
    """

    key: str
    label: str
    survey: str
    flux_kind: str
    prefix: str = ""
    bands: tuple[tuple[str, str], ...] = ()


CATALOGUES = {
    # ZTF's red filter is SDSS-like r, not Johnson-Cousins R.
    "bts.csv": Catalogue("ZTFID", "type", "ZTF", "difference", bands=(("R", "r"), ("zg", "g"), ("zr", "r"))),
    "periods.csv": Catalogue("Num", "Type", "SDSS", "total", prefix="RR"),
}


def catalogue_beside(path: Path) -> Path | None:
    """The table of objects in the file's folder or in the one above; None where there is none."""
    for folder in (path.parent, path.parent.parent):
        for name in CATALOGUES:
            if (folder / name).is_file():
                return folder / name
    return None


def objects_of(epochs: pd.DataFrame, catalogue: Catalogue | None, table: bytes) -> pd.DataFrame:
    """One row an object with what the table of objects says of it."""
    objects = pd.DataFrame({"object_id": epochs["object_id"].unique()})
    if catalogue is None:
        return objects.assign(label=None, survey=None, flux_kind=None)
    known = pd.read_csv(io.BytesIO(table))
    known = known.set_index(known[catalogue.key].astype(str))
    known = known[~known.index.duplicated()].reindex(objects["object_id"])
    label = known[catalogue.label]
    objects["label"] = (catalogue.prefix + label.astype(str)).where(label.notna(), None).to_numpy(dtype=object)
    if {"redshift", "RA", "Dec"} <= set(known):
        objects["REDSHIFT_HELIO"] = pd.to_numeric(known["redshift"], errors="coerce").to_numpy()
        objects["RA"] = [sexagesimal(value) * 15 for value in known["RA"]]
        objects["DEC"] = [sexagesimal(value) for value in known["Dec"]]
    if "A_V" in known:
        objects["MWEBV"] = pd.to_numeric(known["A_V"], errors="coerce").to_numpy() / 3.1
    objects["variability"] = variability_of(objects["label"])
    return objects.assign(survey=catalogue.survey, flux_kind=catalogue.flux_kind)


def sexagesimal(text: object) -> float:
    """``-08:29:47.59`` as a number; NaN for anything else."""
    words = text.split(":") if isinstance(text, str) else []
    if len(words) != 3:
        return float("nan")
    size = abs(float(words[0])) + float(words[1]) / 60 + float(words[2]) / 3600
    return -size if words[0].lstrip().startswith("-") else size
