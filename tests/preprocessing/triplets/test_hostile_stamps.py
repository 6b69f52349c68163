"""Stamps that somebody wrote to do harm: each text can be held by a table, and headers are not believed."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from astrid_ml import hdf5, inflating
from astrid_ml.contracts.pipeline import Drop
from astrid_ml.errors import UserError
from astrid_ml.files import read_arrays
from astrid_ml.fingerprint import input_fingerprint
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.stamps import CHANNELS
from astrid_ml.preprocessing.triplets import sets
from astrid_ml.preprocessing.triplets.containers import arrow_tables, stacks
from astrid_ml.preprocessing.triplets.containers.stack import Stack
from astrid_ml.preprocessing.triplets.containers.stacks import stacks_in
from astrid_ml.preprocessing.triplets.layout import layout_of
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.sets import StampSet
from astrid_ml.table_files import write_table

pytestmark = pytest.mark.usefixtures("watched")

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


def why_not_planned(folder: Path) -> str:
    """What the plan says of the only container of a folder, which it cannot read."""
    [unit] = TripletsPipeline().plan([folder])
    assert not unit.inputs
    return unit.missing[0]


def test_a_header_of_gigabytes_over_nothing_fails_in_words(tmp_path: Path) -> None:
    words = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 3, 63, 63), }".ljust(117) + "\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("stamps.npy", b"\x93NUMPY\x01\x00v\x00" + words.encode() + bytes(1000))
    assert re.search(r"a\.npz, whose stamps declares more than it holds", why_not_planned(tmp_path))


@pytest.mark.parametrize("kind", ["h5", "zarr"])
def test_rows_without_end_are_refused_before_they_are_planned(kind: str, tmp_path: Path) -> None:
    shape = (10**13, 3, 63, 63)
    if kind == "h5":
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("stamps", shape, np.float32, chunks=(1, 3, 63, 63))
    else:
        zarr = pytest.importorskip("zarr")
        zarr.open(str(tmp_path / "a.zarr"), mode="w", shape=shape, chunks=(1, 3, 63, 63), dtype="f4")
    assert re.search(r"of \d+ bytes in a file that may inflate to \d+", why_not_planned(tmp_path))


def outside(kind: str, folder: Path) -> Path:
    """An array whose values stand in a file that nobody named."""
    path, other = folder / "a.h5", folder / "other.bin"
    other.write_bytes(STAMPS.tobytes())
    with h5py.File(path, "w") as file:
        if kind == "external":
            file.create_dataset("stamps", STAMPS.shape, STAMPS.dtype, external=[(str(other), 0, STAMPS.nbytes)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout(STAMPS.shape, STAMPS.dtype)
            layout[:] = h5py.VirtualSource(str(other), "stamps", STAMPS.shape)
            file.create_virtual_dataset("stamps", layout)
        else:
            file["stamps"] = h5py.ExternalLink(str(other), "stamps") if kind == "link" else h5py.SoftLink("/nowhere")
    return path


@pytest.mark.parametrize(
    ("kind", "words"), [("external", "an array with external storage"), ("virtual", "a virtual array")]
)
def test_arrays_that_read_other_files_are_refused_by_name(kind: str, words: str, tmp_path: Path) -> None:
    path = outside(kind, tmp_path)
    for read in (lambda: stacks.stacks_in(path), lambda: stacks.read_stack(path, "stamps", 0, 1)):
        with pytest.raises(ValueError, match=f"stamps is {words}, whose values stand in other files"):
            read()


@pytest.mark.parametrize("kind", ["link", "soft"])
def test_links_of_a_container_are_not_followed(kind: str, tmp_path: Path) -> None:
    path = outside(kind, tmp_path)
    for read in (lambda: stacks.stacks_in(path), lambda: stacks.read_stack(path, "stamps", 0, 1)):
        with pytest.raises(ValueError, match=r"stamps is a link to another (place|file): copy"):
            read()
    with h5py.File(path) as file:
        for name in ("absent", "stamps/absent"):
            with pytest.raises((KeyError, ValueError)):
                hdf5.array_of(file, name)


def test_texts_that_all_rows_share_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("id", data=["x" * 1000] * 200, dtype=h5py.string_dtype())
    assert stacks.read_stack(tmp_path / "a.h5", "id", 0, 200).tolist() == ["x" * 1000] * 200
    monkeypatch.setattr(inflating, "MOST_BYTES", 100_000)
    monkeypatch.setattr(inflating, "MOST_SWOLLEN", 0)
    with pytest.raises(ValueError, match="id of more than 100000 bytes"):
        stacks.read_stack(tmp_path / "a.h5", "id", 0, 200)


def test_rows_that_hold_nothing_are_no_stamps(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((10**7, 0, 31, 31)))
    assert stacks.stacks_in(tmp_path / "a.npy") == []


def test_compressed_arrow_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"stamps": [[0.0] * 100] * 1000})
    with pa.ipc.new_stream(
        tmp_path / "a.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as out:
        out.write_table(table)
    with pa.ipc.new_file(tmp_path / "b.arrow", table.schema) as out:
        out.write_table(table)
    for name in ("a.arrow", "b.arrow"):
        assert stacks.stacks_in(tmp_path / name) == [Stack("stamps", (1000, 100))]
    arrow_tables._arrow_table.cache_clear()
    monkeypatch.setattr(arrow_tables, "most_inflated", lambda size: 100_000)
    with pytest.raises(ValueError, match="more than 100000 bytes when it is inflated"):
        stacks.stacks_in(tmp_path / "a.arrow")


def test_an_arrow_file_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, seen = pa.table({"stamps": [[float(n)] * 4 for n in range(9)]}), list[int]()
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as out:
        out.write_table(table)
    monkeypatch.setattr(arrow_tables, "Held", lambda *_: SimpleNamespace(add=seen.append))
    for first in range(0, 9, 3):
        assert stacks.read_stack(tmp_path / "a.arrow", "stamps", first, first + 3)[:, 0].tolist() == [
            first, first + 1, first + 2
        ]  # fmt: skip
    assert len(seen) == 1
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as out:
        out.write_table(table.slice(0, 5))
    assert stacks.stacks_in(tmp_path / "a.arrow")[0].shape[0] == 5  # another file of that name


SHARED = "x" * 5000


def sharing(how: str, path: Path) -> Path:
    """Sixty stamps whose rows share one text."""
    if how == "arrow":
        coded = pa.DictionaryArray.from_arrays(pa.array([0] * 60, pa.int32()), pa.array([SHARED]))
        table = pa.table({"stamps": pa.array(np.ones((60, 4)).tolist()), "note": coded})
        with pa.ipc.new_file(path.with_suffix(".arrow"), table.schema) as out:
            out.write_table(table)
        return path.with_suffix(".arrow")
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        note = file.create_dataset("shared", data=SHARED)
        first = file.create_group("0")
        first["stamps"] = STAMPS[0]
        for number in range(60):
            group = file.create_group(str(number)) if number else first
            if number:
                group["stamps"] = first["stamps"]  # a second name of one array
            if how == "attributes":
                group.attrs["note"] = SHARED
            elif how == "scalars":
                group["note"] = note
            else:
                for name in "abc":
                    group[name] = note
    return path.with_suffix(".h5")


@pytest.mark.parametrize(("how", "most"), [("attributes", 0), ("scalars", 0), ("columns", 400_000), ("arrow", 0)])
def test_what_the_rows_of_a_container_share_is_counted_for_each(
    how: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sharing(how, tmp_path / "a")
    arrow_tables._arrow_table.cache_clear()
    monkeypatch.setattr(inflating, "MOST_SWOLLEN", 0)
    monkeypatch.setattr(inflating, "MOST_BYTES", most or 299_999)
    if how == "arrow":
        with pytest.raises(ValueError, match="texts of more than 299999 bytes"):
            stacks.stacks_in(path)
        return
    found = StampSet(path, None)
    with pytest.raises(ValueError, match=r"of more than \d+ bytes, most of them again and again"):
        sets._inner(path, stacks.stacks_in(path), layout_of(found.stacks(), None, CHANNELS, (), "a.h5"))


def test_groups_that_are_names_of_one_group_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["0/stamps"] = STAMPS[0]
        for number in range(1, 500):
            file[str(number)] = file["0"]
    assert stacks.stacks_in(tmp_path / "a.h5")[0].shape == (500, 3, 31, 31)
    monkeypatch.setattr(inflating, "MOST_SWOLLEN", 10)
    monkeypatch.setattr(inflating, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=SWOLLEN):
        stacks.stacks_in(tmp_path / "a.h5")


EMPTY = np.zeros((20, 3, 63, 63), np.float32)  # 952560 bytes
SWOLLEN = r"of \d+ bytes in a file that may inflate to \d+: (unpack it first|write it in smaller files)"


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
    inflating._refuse_swollen_parquet.cache_clear()
    with pytest.raises(ValueError, match=SWOLLEN):
        stacks.stacks_in(path)
    with pytest.raises(ValueError, match=SWOLLEN):
        stacks.read_stack(path, "" if kind == "zarr" else "stamps", 0, 2)
    assert re.search(SWOLLEN, why_not_planned(tmp_path))
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


@pytest.mark.parametrize("fill", [0.0, np.nan, None, -999.0])
@pytest.mark.parametrize("stacked", [True, False])
def test_stamps_whose_chunks_are_gone_are_dropped_by_name(fill: float | None, stacked: bool, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    stamps = np.random.default_rng(1).normal(size=(6, 3, 31, 31)).astype(np.float32)
    stamps[1, 0] = 0.0 if fill is None else fill  # one image of three
    root = zarr.open(str(tmp_path / "a.zarr"), mode="w")
    for name, part in {"stamps": stamps}.items() if stacked else zip(CHANNELS, stamps.swapaxes(0, 1), strict=True):
        made = root.create_array(name, shape=part.shape, chunks=(2, *part.shape[1:]), dtype="f4", fill_value=fill)
        made[:] = part
    index, drops = samples_of(tmp_path)
    blank = fill is not None and fill != 0.0  # an image without a measurement, which no sample of packets has
    assert len(index) == 6 - blank and len(drops) == blank
    chunks = [path for path in (tmp_path / "a.zarr").rglob("*") if path.is_file() and path.parent.name != "a.zarr"]
    gone = [path for path in chunks if "/c/2/" in path.as_posix()]
    assert len(gone) == (1 if stacked else 3)
    for path in gone:
        path.unlink()
    index, drops = samples_of(tmp_path)
    assert len(index) == 4 - blank
    assert {drop.reason.split(":")[0] for drop in drops[blank:]} == {"nothing of it is stored"}
    assert [drop.source for drop in drops[blank:]] == ["a.zarr, row 5", "a.zarr, row 6"]


def samples_of(folder: Path) -> tuple[pd.DataFrame, list[Drop]]:
    pipeline, writer = TripletsPipeline(), MemoryUnitWriter()
    stacks._fill_of.cache_clear()
    for unit in pipeline.plan([folder]):
        pipeline.process(unit, writer, 0)
    return writer.table(), writer.drops


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.ones((2, 3, 9, 9), complex), "complex128"),
        (np.full((2, 3, 9, 9), "a"), "texts"),
        (np.full((2, 3, 9, 9), b"a"), "texts"),
        (np.full((2, 3, 9, 9), "2020-01-01", "M8[D]"), "dates"),
    ],
)
@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_arrays_that_are_no_numbers_say_what_they_are(values: Any, kind: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".npy":
        np.save(path, values)
    else:
        np.savez(path, images=values)
    [stack] = stacks_in(path)
    assert not stack.numbers and str(stack).endswith(f"(2, 3, 9, 9) of {kind}")
    with pytest.raises(UserError, match=f"of {kind}"):
        layout_of([stack], None, CHANNELS, (), path.name)


@pytest.mark.parametrize("below", ["", "night/one/"])
@pytest.mark.parametrize("link", [h5py.ExternalLink("/etc/outside.h5", "images"), h5py.SoftLink("/nowhere")])
def test_arrays_that_are_links_are_named(link: Any, below: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[f"{below}images"] = link
        file.require_group("loop")["up"] = file["/"]
    where = "another file" if isinstance(link, h5py.ExternalLink) else "another place"
    with pytest.raises(ValueError, match=f"{below}images is a link to {where}: copy its values into the file"):
        stacks_in(tmp_path / "a.h5")


def test_parts_of_a_store_that_lie_elsewhere_are_read_and_count_in_its_fingerprint(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    raw, away = tmp_path / "raw", tmp_path / "away.zarr"
    zarr.open_group(str(away), mode="w").create_array("images", data=STAMPS)
    zarr.open_group(str(raw / "t.zarr"), mode="w")
    (raw / "t.zarr" / "images").symlink_to(away / "images")
    pd.DataFrame({"id": ["a", "b", "c"]}).to_csv(raw / "t.csv", index=False)
    assert [stack.shape for stack in stacks_in(raw / "t.zarr")] == [STAMPS.shape]
    marks = []
    for scale in (1.0, 2.0):
        zarr.open_group(str(away), mode="a")["images"][...] = scale * STAMPS
        [unit] = TripletsPipeline().plan([raw])
        marks.append(input_fingerprint(unit.inputs, [raw], hashed=True))
    assert marks[0] != marks[1] and [name for name, _ in marks[0]] == [name for name, _ in marks[1]]
