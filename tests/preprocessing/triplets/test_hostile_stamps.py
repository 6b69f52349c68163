"""Stamps that somebody wrote to do harm: each text can be held by a table, and headers are not believed."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from astrid_ml import inflating
from astrid_ml.errors import UserError
from astrid_ml.files import read_arrays
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.triplets.containers import stacks
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.table_files import write_table

STAMPS = np.random.default_rng(1).normal(size=(3, 3, 31, 31)).astype(np.float32)


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_texts_that_no_utf8_holds_are_written_out(kind: str, tmp_path: Path) -> None:
    if kind == "npz":
        np.savez(tmp_path / "a.npz", stamps=STAMPS, id=np.array(["a", "b\udcff", "<script>"]))
    else:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["stamps"] = STAMPS
            file["id"] = np.array([b"a", b"b\xff", b"<script>"])
    pipeline, writer = TripletsPipeline(), MemoryUnitWriter()
    [unit] = pipeline.plan([tmp_path])
    pipeline.process(unit, writer, 0)
    assert writer.table()["id"].tolist() == ["a", "b\\udcff" if kind == "npz" else "b\\xff", "<script>"]
    write_table(writer.table(), tmp_path / "index.parquet")


def test_a_header_of_gigabytes_over_nothing_fails_in_words(tmp_path: Path) -> None:
    words = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 3, 63, 63), }".ljust(117) + "\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("stamps.npy", b"\x93NUMPY\x01\x00v\x00" + words.encode() + bytes(1000))
    pipeline = TripletsPipeline()
    unit = pipeline.plan([tmp_path])[0]
    with pytest.raises(ValueError, match=r"a\.npz"):
        pipeline.process(unit, MemoryUnitWriter(), 0)


EMPTY = np.zeros((20, 3, 63, 63), np.float32)  # 952560 bytes
SWOLLEN = r"of \d+ bytes in a file that may inflate to \d+: unpack it first"


def swollen(kind: str, folder: Path) -> Path:
    """Nothing but zeros, of which the file keeps next to nothing."""
    path = folder / f"stamps.{kind}"
    if kind == "npz":
        np.savez_compressed(path, stamps=EMPTY)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("stamps", data=EMPTY, chunks=True, compression="gzip")
    elif kind == "zarr":
        zarr = pytest.importorskip("zarr")
        zarr.save_array(str(path), EMPTY)  # it writes no chunk that holds the fill value
    else:
        pd.DataFrame({"stamps": [stamp.tolist() for stamp in EMPTY], "id": range(20)}).to_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["npz", "h5", "zarr", "parquet"])
def test_what_declares_more_than_its_file_may_hold_is_refused_before_it_is_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = swollen(kind, tmp_path)
    assert stacks.read_stack(path, "" if kind == "zarr" else "stamps", 0, 2).shape == (2, 3, 63, 63)
    monkeypatch.setattr(inflating, "MOST_BYTES", 100_000)
    with pytest.raises(ValueError, match=SWOLLEN):
        stacks.read_stack(path, "" if kind == "zarr" else "stamps", 0, 2)
    if kind == "npz":
        with pytest.raises(UserError, match=SWOLLEN):
            read_arrays(path, ["stamps"])


def test_stamps_that_were_compressed_in_earnest_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflating, "MOST_BYTES", 1000)
    np.savez_compressed(tmp_path / "a.npz", stamps=STAMPS)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("stamps", data=STAMPS, compression="gzip")
    for name in ("a.npz", "a.h5"):
        assert (stacks.read_stack(tmp_path / name, "stamps", 0, 3) == STAMPS).all()


def test_rows_beyond_the_memory_are_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "allowed", lambda: 10_000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["stamps"] = STAMPS
    with pytest.raises(ValueError, match=re.escape("3 rows of stamps take 0.0 GB in memory, and 0.0 GB are free")):
        stacks.read_stack(tmp_path / "a.h5", "stamps", 0, 3)
    assert len(stacks.read_stack(tmp_path / "a.h5", "stamps", 0, 0)) == 0


def test_folders_whose_files_have_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "stamps.npy", STAMPS)
        pd.DataFrame({"id": ["x", "y", folder]}).to_csv(tmp_path / folder / "stamps.csv", index=False)
    (tmp_path / "c").mkdir()
    np.save(tmp_path / "c" / "stamps.npy", STAMPS)  # no table: rows are numbered
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "stamps.npy").write_bytes(b"\x93NUMPY\x01\x00")
    done = prepare_dataset(TripletsPipeline(), [tmp_path], tmp_path / "store", name="x", max_failed=0.5, progress=False)
    about = json.loads((done.path / "dataset.json").read_text())
    places = [(drop["id"], drop["source"]) for drop in about["drops"]]
    assert places == [(name, "b/stamps.npy; the first: a/stamps.npy") for name in ("x", "y")]
    index = pd.read_parquet(done.path / "index.parquet")
    assert index["id"].tolist() == ["x", "y", "a", "b", "c/stamps-0", "c/stamps-1", "c/stamps-2"]
    [failed] = about["failed"]
    assert failed["id"] == "d/stamps.npy" and failed["reason"].startswith(
        "missing a container that can be read: damaged"
    )
