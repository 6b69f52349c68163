"""FITS stamps by file: three of a channel each that are called by id and channel, many samples in one, what is said."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from made.strangers import N, stamps, table

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.stamp_fits import StampError, read_stamp
from astrid_ml.preprocessing.triplets.fits_rows import files_of, told_of
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.types import Array

IDS = table()["candid"].astype(str).tolist()
SHUFFLED = [3, 0, 5, 1, 4, 2]


def _read(folder: Path) -> tuple[pd.DataFrame, Array, MemoryUnitWriter]:
    pipeline, writer = TripletsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([folder]):
        pipeline.process(unit, writer, 0)
    source = writer.source()
    return source.index, source.gather("stamps", np.arange(len(source.index))), writer


@pytest.mark.parametrize(
    "form",
    ["{id}_{word}.fits", "{id}-{word}.fit", "{word}_{id}.fits", "{word}/{id}.fits", "{id}.{word}.fits.gz"],
)
@pytest.mark.parametrize("words", [("sci", "ref", "sub"), ("science", "reference", "difference")])
def test_files_of_a_channel_each_are_called_by_the_ids(
    tmp_path: Path, form: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for row, name in enumerate(IDS):
        for channel, word in enumerate(words):
            path = tmp_path / form.format(id=name, word=word)
            path.parent.mkdir(exist_ok=True)
            fits.PrimaryHDU(stamps()[row, channel]).writeto(path)
    next(tmp_path.rglob(f"*{IDS[2]}*")).unlink()
    table().iloc[SHUFFLED].to_csv(tmp_path / f"{words[2]}.csv", index=False)  # what was said is not said again
    index, found, writer = _read(tmp_path)
    kept = [row for row in SHUFFLED if row != 2]
    np.testing.assert_array_equal(found, stamps()[kept])
    assert index["id"].tolist() == [IDS[row] for row in kept] and [drop.id for drop in writer.drops] == [IDS[2]]
    said = capsys.readouterr().err
    assert "as science, reference, difference; of the table: id = candid, group = objectId, label = label" in said


def test_many_samples_in_one_file_are_no_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("SCI", "TEMPL", "DIFF") * N
    parts = [fits.ImageHDU(image, name=name) for image, name in zip(np.concatenate(stamps()), names, strict=True)]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(tmp_path / "all.fits")
    table().to_csv(tmp_path / "labels.csv", index=False)
    pipeline, writer = TripletsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([tmp_path]):
        pipeline.process(unit, writer, 0)
    [drop] = writer.drops
    assert drop.reason == f"{3 * N} images in one file, {N} of them science: give each sample a file of its own"
    assert "labels.csv is not read" in capsys.readouterr().err


def test_what_is_said_of_one_file(tmp_path: Path) -> None:
    fits.PrimaryHDU(stamps()[0]).writeto(tmp_path / "cube.fits")
    parts = [fits.ImageHDU(image, name=name) for image, name in zip(stamps()[0], ("NEW", "REF", "SUB"), strict=True)]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(tmp_path / "named.fits")
    order = ("sci", "ref", "diff")
    assert told_of([tmp_path / "cube.fits"], order) == "cube.fits with planes sci, ref, diff"
    assert told_of([tmp_path / "named.fits"], order) == "named.fits with extensions by their names"


@pytest.mark.parametrize("kind", ["bytes", "pictures"])
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_bytes_in_columns_are_no_files_and_no_stamps(tmp_path: Path, kind: str, ending: str) -> None:
    names = ("sci", "ref", "diff")
    columns = {name: [image.tobytes() for image in stamps()[:, place]] for place, name in enumerate(names)}
    if kind == "pictures":  # as Hugging Face has them
        columns = {"image": [{"bytes": b"x", "path": "a.png"}] * N}
    made = pa.table({"candid": IDS, **columns})
    if ending == "parquet":
        pq.write_table(made, tmp_path / "a.parquet")
    else:
        with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, made.schema) as stream:
            stream.write_table(made)
    with pytest.raises(
        UserError, match=rf"a\.{ending}, whose {', '.join(columns)} hold{'s' * (len(columns) < 2)} bytes"
    ):
        TripletsPipeline().plan([tmp_path])
    assert files_of(pd.DataFrame({"file": [b"\xff"]}), {"file": "file"}, tmp_path) is None


def write_by_channel(folder: Path, form: str, names: Sequence[str] = IDS) -> None:
    """A FITS file a channel of each sample, packed where the name ends so."""
    for row, name in enumerate(names):
        for image, word in zip(stamps()[row], ("science", "template", "difference"), strict=True):
            path = folder / form.format(id=name, word=word)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name.endswith(".fz"):
                packed = fits.CompImageHDU(image, compression_type="GZIP_1", quantize_level=0)
                fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path)
            else:
                fits.PrimaryHDU(image).writeto(path)


@pytest.mark.parametrize(
    "form", ["{word}/SN {id}.fits", "{id}_{word}.fits", "{word}-{id}.fits.gz", "{word}/{id}.fits.fz"]
)
def test_files_of_a_channel_need_no_table(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"a{row}" for row in range(N)]  # no numbers: those that look like an alert's stamps are the alerts'
    write_by_channel(tmp_path, form, names)
    next(path for path in tmp_path.rglob("*a2*") if "template" in str(path)).unlink()
    index, found, writer = _read(tmp_path)
    kept = [row for row in range(N) if row != 2]
    np.testing.assert_array_equal(found, stamps()[kept])
    called = "SN a" if "SN" in form else "a"
    assert index["id"].tolist() == [f"{called}{row}" for row in kept]
    [drop] = writer.drops
    assert (drop.id, drop.reason) == (f"{called}2", "no file reference")
    assert all((tmp_path / place).is_file() for place in index["source"])
    said = capsys.readouterr().err
    assert f"{N} samples of a file a channel, such as" in said and "no table: ids are the files' names" in said


def test_files_of_several_folders_and_a_table_of_other_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for night in ("n1", "n2"):
        write_by_channel(tmp_path / night, "{word}/{id}.fits", ["a", "b" if night == "n1" else "c"])
    (tmp_path / "science").mkdir()
    fits.PrimaryHDU(stamps()[0, 0]).writeto(tmp_path / "science" / "lonely.fits")
    table().to_csv(tmp_path / "other.csv", index=False)
    index, _, writer = _read(tmp_path)
    assert sorted(index["id"]) == ["b", "c", "n1/a", "n2/a"] and not writer.drops
    assert "other.csv is not read" in capsys.readouterr().err


def test_packed_stamps_that_a_table_names_and_one_that_swells(tmp_path: Path) -> None:
    write_by_channel(tmp_path, "{word}/{id}.fits.fz")
    table().to_csv(tmp_path / "t.csv", index=False)
    index, found, _ = _read(tmp_path)
    np.testing.assert_array_equal(found, stamps())
    assert index["id"].tolist() == IDS
    huge = fits.CompImageHDU(np.zeros((3000, 3000), np.float32), compression_type="GZIP_1", quantize_level=0)
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), huge]).writeto(stream)
    with pytest.raises(StampError, match="takes more than"):
        read_stamp(stream.getvalue())
