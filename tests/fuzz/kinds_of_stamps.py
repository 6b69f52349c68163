"""Stamps that somebody keeps in arrays, tables and FITS files."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from kind import Counts, FileKind, through, whole
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


def audited(place: Path) -> Counts:
    """A folder as the audit reads it; a file that cannot be read is named and left out."""
    from astrid_ml.preprocessing.stamp_folders.reader import StampFolder

    try:
        source = StampFolder()([place.parent])
        return whole(len(source.gather("stamps", np.arange(len(source.index)))))
    except UserError as error:
        if not (error.expected and error.fix):
            raise
        return {"samples": 0, "dropped": 0, "failed": 1}


def make_pictures(folder: Path) -> Path:
    """A table of PNG pictures, as Hugging Face keeps them."""
    from PIL import Image

    rows = []
    for seed in range(8):
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 24), np.uint8)).save(buffer, "PNG")
        rows.append({"bytes": buffer.getvalue(), "path": None})
    pq.write_table(pa.table({"image": pa.array(rows), "label": list(range(8))}), folder / "test.parquet")
    return folder / "test.parquet"


def make_results(folder: Path) -> Path:
    """Stamps, and below them what an earlier command left."""
    np.save(folder / "stamps.npy", np.zeros((4, 3, 20, 20), np.float32))
    (folder / "out").mkdir()
    (folder / "out" / "made_by.json").write_text('{"verb": "predict", "settings": {"input": "a"}, "status": "done"}')
    return folder / "out" / "made_by.json"


def results(place: Path) -> Counts:
    """The folder above, walked."""
    return audited(place.parent)


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
    FileKind("folder, parquet", maker("parquet_apart", "all.parquet"), audited),
    FileKind("folder, pictures", make_pictures, audited),
    FileKind("folder, results", make_results, results),
    FileKind("stamps, FITS", maker("fits_cubes", "100000000000000000.fits"), strangers),
)
