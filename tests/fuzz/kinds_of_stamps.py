"""Stamps that somebody keeps in arrays, tables and FITS files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from kind import Counts, FileKind, through
from made.strangers import FORMS

from astrid_ml.errors import UserError


def strangers(place: Path) -> Counts:
    """A folder with one container, and its table where it has one; what nobody can read is told by the command."""
    from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

    try:
        return through(TripletsPipeline(), place if place.suffix == ".arrow" else place.parent)
    except UserError as error:
        if not (error.expected and error.fix):
            raise
        return {"samples": 0, "dropped": 0, "failed": 1}


def maker(form: str, name: str) -> Callable[[Path], Path]:
    """A maker of a form that returns one of its files."""

    def make(folder: Path) -> Path:
        FORMS[form](folder)
        path = folder / name
        if path.suffix == ".arrow":  # one shard alone
            shutil.copy(path, folder / path.name)
            shutil.rmtree(folder / "train")
            return folder / path.name
        return path

    return make


KINDS = (
    FileKind("stamps, npy", maker("npy_last", "triplets.npy"), strangers),
    FileKind("stamps, their table", maker("npy_last", "candidates.csv"), strangers),
    FileKind("stamps, npz", maker("npz_apart", "all.npz"), strangers),
    FileKind("stamps, HDF5", maker("hdf5", "all.h5"), strangers),
    FileKind("stamps, parquet", maker("parquet_apart", "all.parquet"), strangers),
    FileKind("stamps, Arrow", maker("hugging_face", "train/data-00000-of-00002.arrow"), strangers),
    FileKind("stamps, FITS", maker("fits_cubes", "100000000000000000.fits"), strangers),
)
