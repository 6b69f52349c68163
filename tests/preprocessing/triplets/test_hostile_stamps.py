"""Stamps that somebody wrote to do harm: each text can be held by a table, and headers are not believed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from astrid_ml.pipeline.writer import MemoryUnitWriter
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
