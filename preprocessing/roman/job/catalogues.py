"""Detections of a job: the PSF-fit catalogue joined with the finder's by id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from astrid_ml.table_files import read_parquet

# Names of photutils 3, of the database and of parquet files -> those of photutils 2, which the reference uses.
ALIASES = {
    "npixfit": "n_pixels_fit",
    "xfit": "x_fit",
    "yfit": "y_fit",
    "fluxfit": "flux_fit",
    "x_centroid": "xcentroid",
    "y_centroid": "ycentroid",
    "n_pixels": "npix",
    "xerr": "x_err",
    "yerr": "y_err",
    "redchi": "reduced_chi2",
}
FEATURES = ("sharpness", "roundness1", "roundness2", "npix", "peak", "flux", "mag", "daofind_mag")
FIT = ("flags", "flux_fit", "flux_err", "qfit", "cfit", "reduced_chi2", "n_pixels_fit", "x_err", "y_err")
COLUMNS = ("id", "x", "y", "ra", "dec", *FEATURES, *FIT)
Drop = Callable[[str, str], None]


class CatalogueError(ValueError):
    """A catalogue that cannot be read."""


def read_table(path: Path) -> pd.DataFrame:
    """One catalogue, text or parquet, with names as in photutils 2; empty where it holds no row.

    Raises:
        CatalogueError: not such a file, or no column ``id``.
    """
    try:
        if path.suffix == ".parquet":
            table = read_parquet(path)
        else:
            table = pd.read_csv(path, sep=r"\s+", na_values=["--", '""', "None"])
    except pd.errors.EmptyDataError:
        return pd.DataFrame({"id": pd.Series(dtype="int64")})
    except Exception as error:
        raise CatalogueError(f"{path.name} cannot be read: {error}") from error
    table = table.rename(columns=lambda name: ALIASES.get(str(name), str(name)))
    if "id" not in table:
        raise CatalogueError(f"{path.name} has no column id ({', '.join(map(str, table.columns[:6]))})")
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name].dtype):
            table[name] = pd.to_numeric(table[name], errors="coerce")
    known = table["id"].notna()
    return table[known].astype({"id": "int64"}).reset_index(drop=True)


def join(psfcat: pd.DataFrame, finder: pd.DataFrame | None, drop: Drop) -> tuple[pd.DataFrame, dict[str, int]]:
    """Positions and fits of the psfcat with the finder's measurements of the same id.

    Row order and length of the two do not matter. A detection without a row of the finder keeps NaN measurements; one
    without a fit has no position and is dropped, and so is each further row of one id.

    Args:
        psfcat, finder: as ``read_table`` gives them; None where the job has no finder catalogue.
        drop: takes (id, reason).

    Returns:
        ``COLUMNS``, one row a detection, and counts.

    Raises:
        CatalogueError: the psfcat has rows, but no positions.
    """
    psfcat = _once(psfcat, "psfcat", drop)
    counts: dict[str, int] = {}
    if finder is not None:
        finder = _once(finder, "finder catalogue", drop)
        for name in finder["id"][~finder["id"].isin(psfcat["id"])]:
            drop(str(name), "in the finder catalogue, not in the psfcat")
        counts["detections_without_finder_row"] = int((~psfcat["id"].isin(finder["id"])).sum())
        added = [name for name in (*FEATURES, "xcentroid", "ycentroid") if name in finder and name not in psfcat]
        psfcat = psfcat.merge(finder[["id", *added]], on="id", how="left", validate="one_to_one")
    if len(psfcat) and not {"x_fit", "y_fit"} <= set(psfcat.columns):
        raise CatalogueError(f"the psfcat has no x_fit and y_fit ({', '.join(map(str, psfcat.columns[:8]))})")
    table = psfcat.rename(columns={"x_fit": "x", "y_fit": "y"}).reindex(columns=list(COLUMNS))
    floats = [name for name in COLUMNS if name != "id"]
    return table.astype({"id": "int64", **dict.fromkeys(floats, np.float64)}), counts


def inside(table: pd.DataFrame, shape: tuple[int, int], drop: Drop) -> pd.DataFrame:
    """Rows whose nearest pixel lies in an image of (H, W) px; positions are 0-based."""
    finite = np.isfinite(table["x"]) & np.isfinite(table["y"])
    within = table["x"].between(-0.5, shape[1] - 0.5, inclusive="left")
    within &= table["y"].between(-0.5, shape[0] - 0.5, inclusive="left")
    for name in table["id"][~finite]:
        drop(str(name), "no finite position")
    for name in table["id"][finite & ~within]:
        drop(str(name), "a position outside the image")
    kept: pd.DataFrame = table[finite & within].reset_index(drop=True)
    return kept


def _once(table: pd.DataFrame, what: str, drop: Drop) -> pd.DataFrame:
    repeated = table["id"].duplicated()
    for name in table["id"][repeated]:
        drop(str(name), f"an id that stands in the {what} twice")
    return table[~repeated]
