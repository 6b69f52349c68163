"""Surveys that publish long tables: ELAsTiCC samples, PLAsTiCC, ZTF detections with non-detections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.bands import PLASTICC, ZTF, short_name
from astrid_ml.preprocessing.lightcurves.curves.fluxes import DETECTED, LIMIT_SIGMA, fluxes_of_magnitudes, numbers_of
from astrid_ml.preprocessing.lightcurves.curves.ingest import BY_GIVEN, Account, assemble
from astrid_ml.preprocessing.lightcurves.curves.missing import static_columns
from astrid_ml.preprocessing.lightcurves.curves.row_blocks import (
    columns_of,
    is_large,
    read_any,
    row_blocks,
    stand_together,
    whole_objects,
)
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.curves.variability import variability_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.beside import TRUTH, read_truth, truth_beside, with_truth

TABLES = (".csv", ".csv.gz", ".parquet")
_PLASTICC_STATIC = {
    "ra": "RA", "decl": "DEC", "mwebv": "MWEBV", "hostgal_specz": "HOSTGAL_SPECZ", "hostgal_photoz": "HOSTGAL_PHOTOZ",
    "hostgal_photoz_err": "HOSTGAL_PHOTOZ_ERR",
}  # fmt: skip


def read_snana_rows(
    path: Path, account: Account, wavelengths: Mapping[str, float] | None = None
) -> Iterator[CurveTable]:
    """A long table with SNANA's column names: ``SNID, MJD, BAND, FLUXCAL, FLUXCALERR, PHOTFLAG``.

    A large one is read in blocks; one in which an object's rows do not stand together is read whole.
    """
    if is_large(path) and stand_together(block["SNID"] for block in row_blocks(path, columns=["SNID"])):
        for rows in whole_objects(row_blocks(path), "SNID"):
            yield _of_snana_rows(rows, account, wavelengths)
    else:
        yield _of_snana_rows(read_any(path), account, wavelengths)


def _of_snana_rows(rows: pd.DataFrame, account: Account, wavelengths: Mapping[str, float] | None) -> CurveTable:
    epochs = pd.DataFrame(
        {
            "object_id": rows["SNID"].astype(str),
            "mjd": numbers_of(rows, "MJD"),
            "flux": numbers_of(rows, "FLUXCAL"),
            "flux_err": numbers_of(rows, "FLUXCALERR"),
            "phot_flag": rows.get("PHOTFLAG", 0),
            "band": rows["BAND" if "BAND" in rows else "FLT"].astype(str).map(short_name),
        }
    )
    objects = pd.DataFrame({"object_id": epochs["object_id"].unique()})
    objects = objects.assign(label=None, survey="ELASTICC", flux_kind="difference")
    return assemble(objects, epochs, account, wavelengths)


def read_plasticc(
    path: Path, metadata: Path | None, account: Account, wavelengths: Mapping[str, float] | None = None
) -> Iterator[CurveTable]:
    """PLAsTiCC's table of epochs, block by block, with its metadata (classes, redshifts) where that stands beside it.

    The release's files have hundreds of millions of rows; an object's rows stand together in them. An object whose rows
    appear again further down is dropped from there on, by name.
    """
    about = plasticc_objects(read_any(metadata)) if metadata is not None else None
    seen: set[str] = set()
    for rows in whole_objects(row_blocks(path), "object_id"):
        epochs = plasticc_epochs(rows, account)
        names = epochs["object_id"].unique()
        again = [name for name in names if name in seen]
        account.drop(again, "its rows do not stand together in the file; the first are kept")
        seen.update(names)
        objects = pd.DataFrame({"object_id": names, "label": None}) if about is None else known_of(about, names)
        objects = objects[~objects["object_id"].isin(again)]
        epochs = epochs[~epochs["object_id"].isin(again)]
        yield assemble(objects.assign(survey="PLASTICC", flux_kind="difference"), epochs, account, wavelengths)


def plasticc_epochs(rows: pd.DataFrame, account: Account) -> pd.DataFrame:
    """Epochs with the project's names. Without a column of detections no epoch has the flag, and they are counted."""
    band = rows["passband"].map(PLASTICC) if "passband" in rows else rows["filter"].astype(str).map(short_name)
    detected = next((rows[name] for name in ("detected", "detected_bool") if name in rows), None)
    if detected is None:
        account.counts["rows_without_flag_of_detection"] += len(rows)
        detected = pd.Series(False, index=rows.index)
    return pd.DataFrame(
        {
            "object_id": rows["object_id"].astype(str),
            "mjd": numbers_of(rows, "mjd"),
            "flux": numbers_of(rows, "flux"),
            "flux_err": numbers_of(rows, "flux_err", "flux_error"),
            "phot_flag": np.where(detected.to_numpy(dtype=bool), DETECTED, 0),
            "band": band,
        }
    )


def plasticc_objects(meta: pd.DataFrame) -> pd.DataFrame:
    """The metadata with the project's names; the true class of a test object where that is published."""
    target = next((name for name in ("target", "true_target") if name in meta), None)
    static = static_columns(meta.rename(columns=_PLASTICC_STATIC))
    # A galactic object has host redshifts of exactly 0: no host, not a host at redshift 0.
    for name in ("HOSTGAL_SPECZ", "HOSTGAL_PHOTOZ"):
        if name in static:
            static[name] = static[name].where(static[name] != 0)
    label = meta[target].astype(str).to_numpy(dtype=object) if target else None
    objects = pd.DataFrame({"object_id": meta["object_id"].astype(str), "label": label})
    return pd.concat([objects, static], axis=1).drop_duplicates("object_id").set_index("object_id")


def known_of(about: pd.DataFrame, names: npt.NDArray[np.object_]) -> pd.DataFrame:
    """Rows of the metadata for these objects; epochs of others are dropped by name later."""
    return about.loc[about.index.intersection(list(names))].rename_axis("object_id").reset_index()


def read_ztf(
    detections: Path,
    limits: Path | None,
    labels: Path | None,
    account: Account,
    wavelengths: Mapping[str, float] | None = None,
) -> CurveTable:
    """ZTF detections (magnitudes and signs) and non-detections (limiting magnitudes) as fluxes.

    A negative difference (``isdiffpos`` f, 0 or -1) is a negative flux; an upper limit is flux 0 with an error of
    limit / 5. Where only corrected total magnitudes are there (``magpsf_corr``, no ``isdiffpos``), the flux is total.
    """
    rows = read_any(detections)
    name = "objectId" if "objectId" in rows else "oid"
    difference = "isdiffpos" in rows
    magnitude = rows["magpsf"] if difference else rows["magpsf_corr"]
    error = rows["sigmapsf"] if difference else rows["sigmapsf_corr"]
    flux, flux_error = fluxes_of_magnitudes(
        magnitude.to_numpy(dtype=np.float64, na_value=np.nan), error.to_numpy(float)
    )
    sign = np.where(rows["isdiffpos"].isin([1, 1.0, "t", "1", True]), 1.0, -1.0) if difference else 1.0
    parts = [_ztf_epochs(rows, name, sign * flux, flux_error, DETECTED)]
    if limits is not None:
        upper = read_any(limits)
        limit = 10 ** (-0.4 * (upper["diffmaglim"].to_numpy(dtype=np.float64) - 27.5))
        parts.append(_ztf_epochs(upper, name, np.zeros(len(upper)), limit / LIMIT_SIGMA, 0))
    objects = pd.DataFrame({"object_id": parts[0]["object_id"].unique(), "label": None})
    if {"ra", "dec"} <= set(rows.columns):
        sky = rows.groupby(rows[name].astype(str))[["ra", "dec"]].median()
        objects["RA"], objects["DEC"] = (sky[c].reindex(objects["object_id"]).to_numpy() for c in ("ra", "dec"))
    if labels is not None:
        table = read_any(labels)
        key = name if name in table else table.columns[0]
        objects["label"] = objects["object_id"].map(table.set_index(table[key].astype(str))["classALeRCE"])
    objects["variability"] = variability_of(objects["label"])
    kind = "difference" if difference else "total"
    return assemble(
        objects.assign(survey="ZTF", flux_kind=kind), pd.concat(parts, ignore_index=True), account, wavelengths
    )


def _ztf_epochs(rows: pd.DataFrame, name: str, flux: object, error: object, flag: int) -> pd.DataFrame:
    mjd = rows["mjd"] if "mjd" in rows else rows["jd"] - 2400000.5
    band = rows["fid"].map(ZTF)
    if band.isna().any():
        raise UserError("fid of 1, 2 or 3", str(sorted(rows["fid"].unique())), "check the file")
    table = {"object_id": rows[name].astype(str), "mjd": mjd, "flux": flux, "flux_err": error, "band": band}
    return pd.DataFrame({**table, "phot_flag": flag})


@dataclass(frozen=True)
class ElasticcReader:
    """Tables of ELAsTiCC with SNANA's names of columns, a row an epoch."""

    kind: ClassVar[str] = "elasticc"
    known_as: ClassVar[str] = "ELAsTiCC samples"
    grouped: ClassVar[bool] = False
    cut: ClassVar[bool] = False

    def recognise(self, path: Path) -> CurveSource | None:
        """By its columns."""
        columns = columns_if_table(path)
        known = columns >= {"SNID", "MJD", "FLUXCAL"} and bool(columns & {"BAND", "FLT"})
        return CurveSource(self, path, truth_of(path)) if known else None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        truth = read_truth(source.companions[TRUTH]) if TRUTH in source.companions else None
        for table in read_snana_rows(source.path, account, wavelengths):
            yield with_truth(table, truth, account)


def truth_of(path: Path) -> dict[str, Path]:
    """The table of objects beside a file, by its role."""
    found = truth_beside(path)
    return {} if found is None else {TRUTH: found}


@dataclass(frozen=True)
class PlasticcReader:
    """Tables of PLAsTiCC, a row an epoch, with the objects' metadata beside them."""

    kind: ClassVar[str] = "plasticc"
    known_as: ClassVar[str] = "PLAsTiCC tables"
    grouped: ClassVar[bool] = False
    cut: ClassVar[bool] = False

    def recognise(self, path: Path) -> CurveSource | None:
        """By its columns."""
        columns = columns_if_table(path)
        told = columns & {"flux_error", "detected", "detected_bool"}  # else a column filter is anybody's, in any unit
        if columns >= {"object_id", "mjd", "flux"} and ("passband" in columns or ("filter" in columns and told)):
            return CurveSource(self, path, plasticc_companions(path))
        return None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        beside = source.companions.get("metadata")
        own = zero_point is None or "passband" in columns_of(source.path)  # the release's own tables have FLUXCAL
        for table in read_plasticc(source.path, beside, account, wavelengths):
            if own or zero_point is None:
                yield table
                continue
            account.counts[BY_GIVEN] = 1
            factor = np.float32(10 ** (-0.4 * (zero_point - 27.5)))
            objects = table.objects.assign(survey=None)
            yield replace(table, flux=table.flux * factor, flux_err=table.flux_err * factor, objects=objects)


@dataclass(frozen=True)
class ZtfReader:
    """Tables of ZTF detections as brokers give them, with limits and labels beside them."""

    kind: ClassVar[str] = "ztf"
    known_as: ClassVar[str] = "ZTF detections"
    grouped: ClassVar[bool] = False
    cut: ClassVar[bool] = False

    def recognise(self, path: Path) -> CurveSource | None:
        """By its columns."""
        columns = columns_if_table(path)
        detections = {"fid", "sigmapsf"} <= columns and bool(columns & {"isdiffpos", "magpsf_corr"})
        named = "non_detections" not in path.name
        return CurveSource(self, path, ztf_companions(path)) if detections and named else None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        beside = source.companions
        yield read_ztf(source.path, beside.get("limits"), beside.get("labels"), account, wavelengths)


def columns_if_table(path: Path) -> frozenset[str]:
    """Names of the columns of a CSV or parquet table; none for anything else, damaged files too."""
    if not path.name.endswith(TABLES):
        return frozenset()
    try:
        return columns_of(path)
    except (OSError, ValueError):
        return frozenset()


def plasticc_companions(path: Path) -> dict[str, Path]:
    """The metadata beside a table of epochs: ``x_lc`` and ``x_meta``, ``x`` and ``x_metadata``, or the release's names
    (``plasticc_test_lightcurves_03.csv.gz`` and ``plasticc_test_metadata.csv.gz``)."""
    stem = path.name.split(".", 1)[0]
    words = [stem.replace("_lc", "_meta"), f"{stem}_metadata"]
    words += [re.sub(r"_(lightcurves|set)(_batch)?_?\d*$", ending, stem) for ending in ("_metadata", "_set_metadata")]
    names = [f"{word}{ending}" for word in words if word != stem for ending in (".csv", ".csv.gz", ".parquet")]
    found = [path.with_name(name) for name in names if path.with_name(name).is_file()]
    return {"metadata": found[0]} if found else {}


def ztf_companions(path: Path) -> dict[str, Path]:
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


READERS: tuple[CurveReader, ...] = (ElasticcReader(), PlasticcReader(), ZtfReader())
