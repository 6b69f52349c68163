"""Stamps of strangers in every container are read alike; what does not fit is refused with what to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made.strangers import FORMS, SIDE, N, nested, stamps, table

from astrid_ml.errors import UserError
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.labels import TruthLabel
from astrid_ml.preprocessing.triplets.columns import columns_of, records_of
from astrid_ml.preprocessing.triplets.containers.stack import Stack
from astrid_ml.preprocessing.triplets.containers.stacks import read_stack, stacks_in
from astrid_ml.preprocessing.triplets.fits_rows import files_of
from astrid_ml.preprocessing.triplets.layout import canonical_channel, layout_of
from astrid_ml.preprocessing.triplets.normalised import normalised_as, without_padding
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.sets import Reading, containers_below, pair
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets
from astrid_ml.preprocessing.triplets.strangers import fits_sets
from astrid_ml.types import Array


def read(folder: Path, **said: Any) -> tuple[pd.DataFrame, Array, MemoryUnitWriter]:
    pipeline, writer = TripletsPipeline(**said), MemoryUnitWriter()
    for unit in pipeline.plan([folder]):
        assert not unit.missing, unit.missing
        pipeline.process(unit, writer, 0)
    source = writer.source()
    return source.index, source.gather("stamps", np.arange(len(source.index))), writer


@pytest.mark.parametrize("form", FORMS)
def test_every_container_gives_the_same_samples(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FORMS[form](tmp_path)
    index, found, writer = read(tmp_path, rows_per_unit=4)
    np.testing.assert_array_equal(found, stamps())
    assert index["id"].tolist() == table()["candid"].astype(str).tolist() and not writer.drops
    assert index["group_id"].tolist() == table()["objectId"].tolist()
    assert index["label"].tolist() == [1, 1, 0, 0, 1, 1] and index["mjd"].tolist() == [59000.0 + n for n in range(N)]
    assert set(index["mission"]) == {"ztf"} and index["filter"].tolist() == ["g", "r", "g", "r", "g", "i"]
    assert set(index["sky"]) == {"included"} and set(index["normalised"]) == {"none"}
    assert index["magpsf"].tolist() == [18.0] * N and set(index["stamp_h"]) == {SIDE}
    said = capsys.readouterr().err
    assert "note: " in said and ("group = objectId" in said or "FITS files" in said)


def test_layouts_by_name_and_a_dataset_of_them(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    FORMS["npy_last"](raw)
    for name in ("braai", "btsbot"):
        pipeline = TripletsPipeline(layout=name)
        made = prepare_dataset(pipeline, [raw], tmp_path / name, name=name, labeller=TruthLabel(), progress=False)
        with pytest.raises(
            UserError, match="stamps in npy"
        ):  # a prepared dataset is no raw file: its ids would be lost
            TripletsPipeline().plan([made.path])
        index = pd.read_parquet(made.path / "index.parquet")
        assert len(index) == N and set(index["label"]) == {0, 1} and set(index["label_source"]) == {"column label"}
    np.save(raw / "triplets.npy", stamps())  # not as that layout says it
    with pytest.raises(UserError, match=r"axes of triplets\.npy that fit its shape"):
        TripletsPipeline(layout="braai").plan([raw])


def test_the_order_of_channels_is_as_it_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "stamps.npy", stamps()[:, [1, 0, 2]])
    index, found, _ = read(tmp_path, channels=["template", "sci", "diff"])
    np.testing.assert_array_equal(found, stamps())
    assert index["id"].tolist() == [f"stamps-{n}" for n in range(N)]  # no table: numbered, and nobody's
    assert index["mission"].isna().all() and "label" not in index
    flat = stamps().reshape(N, -1)
    np.save(tmp_path / "stamps.npy", flat)
    np.testing.assert_array_equal(read(tmp_path, axes="ncyx")[1], stamps())
    np.save(tmp_path / "stamps.npy", stamps().transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(read(tmp_path)[1], stamps())
    for wrong in (["science", "reference"], ["a", "b", "c"], ["sci", "new", "diff"]):
        with pytest.raises(UserError, match="once each"):
            read(tmp_path, channels=wrong)


@pytest.mark.parametrize(
    ("shape", "said", "expected"),
    [
        ((6, 21, 21, 2), {}, "with 3 channels and square sides"),
        ((6, 3, 21, 20), {}, "with 3 channels and square sides"),
        ((3, 3, 3, 3), {}, "with 3 channels and square sides"),
        ((6, 21, 21), {}, "array of four axes"),
        ((6, 1323), {}, "array of four axes"),
        ((6, 1324), {"axes": "ncyx"}, "square stamps"),
        ((6, 21, 21, 3), {"axes": "ncyx"}, "that fit its shape"),
        ((6, 21, 21, 3), {"axes": "nyx"}, "each once"),
        ((6, 21, 21, 3), {"stack": "images"}, "its array has no name"),
    ],
)
def test_axes_that_do_not_fit_are_refused(
    shape: tuple[int, ...], said: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "stamps.npy", np.ones(shape))
    with pytest.raises(UserError, match=expected):
        TripletsPipeline(**said).plan([tmp_path])


def test_tables_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "stamps.npy", stamps())
    table().iloc[:5].to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"one row for each stamp; got 5 rows in labels\.csv beside 6 stamps"):
        TripletsPipeline().plan([tmp_path])
    (tmp_path / "labels.csv").rename(tmp_path / "first.csv")
    table().to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(UserError, match=r"name it: preprocessing\.table=FILE"):
        TripletsPipeline().plan([tmp_path])
    index, _, _ = read(tmp_path, table=str(tmp_path / "other.csv"), columns={"group": "candid", "id": "jd"})
    assert index["group_id"].tolist() == table()["candid"].astype(str).tolist()
    with pytest.raises(UserError, match=r"a column of other\.csv; got nobody"):
        read(tmp_path, table=str(tmp_path / "other.csv"), columns={"label": "nobody"})
    with pytest.raises(UserError, match=r"preprocessing\.columns of id, group"):
        read(tmp_path, table=str(tmp_path / "other.csv"), columns={"labels": "label"})
    with pytest.raises(UserError, match="nothing at"):
        read(tmp_path, table=str(tmp_path / "none.csv"))


def test_rows_and_stamps_that_hold_nothing_are_dropped_by_name(tmp_path: Path) -> None:
    images = stamps()
    images[2] = np.nan
    np.save(tmp_path / "stamps.npy", images)
    rows = table().astype({"candid": object})
    rows.loc[4, "candid"] = None
    rows.to_csv(tmp_path / "rows.csv", index=False)
    index, found, writer = read(tmp_path)
    kept = [0, 1, 3, 5]
    assert index["id"].tolist() == [str(10**17 + n) for n in kept]
    np.testing.assert_array_equal(found, stamps()[kept])
    assert {drop.id: drop.reason for drop in writer.drops} == {
        str(10**17 + 2): "science stamp: no pixel that is a measurement", "stamps.npy": "candid is empty"
    }  # fmt: skip


def test_stamps_without_anything_in_them_are_those_of_packets(tmp_path: Path) -> None:
    images = stamps()
    images[0, 0], images[1, 2], images[2], images[3, 1], images[4, 0, 3, 3] = np.nan, np.inf, 7.0, 0.0, -np.inf
    np.save(tmp_path / "stamps.npy", images)
    index, found, writer = read(tmp_path)
    assert index["id"].tolist() == ["stamps-3", "stamps-4", "stamps-5"] and index["n_nan"].tolist() == [0, 1, 0]
    assert np.isnan(found[1, 0, 3, 3]) and not np.isinf(found).any()
    blank = "stamp: no pixel that is a measurement"
    why = [f"science {blank}", f"difference {blank}", "no pixel that varies, in any of the three stamps"]
    assert [drop.reason for drop in writer.drops] == why
    assert writer.counts == {"stamps_with_one_value_in_reference": 1, "stamps_with_nan_pixels": 1}


@pytest.mark.parametrize("column", ["candid", "objectId"])
@pytest.mark.parametrize("form", ["csv", "parquet", "npz"])
def test_names_that_lost_digits_are_refused(tmp_path: Path, column: str, form: str) -> None:
    np.save(tmp_path / "stamps.npy", stamps())
    rows = table().assign(**{column: (table()["candid"] + np.arange(N) * 64).astype(float)})
    if form == "npz":
        (tmp_path / "stamps.npy").unlink()
        np.savez(tmp_path / "a.npz", stamps=stamps(), **{column: rows[column]})
    else:
        rows.to_csv(tmp_path / "a.csv", index=False) if form == "csv" else rows.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=rf"{column} of a\.{form}(?s:.*)do not survive as floats"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5", "a.parquet", "a.arrow"])
def test_damaged_containers_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x93NUMPY no array at all" * 20)
    if name in ("a.parquet", "a.arrow"):  # no container, and no table
        with pytest.raises(UserError):
            TripletsPipeline().plan([tmp_path])
    else:
        [unit] = TripletsPipeline().plan([tmp_path])
        assert unit.missing and unit.id == name
    with pytest.raises(ValueError, match=r"\w"):
        stacks_in(tmp_path / name)


def test_fits_stamps_that_are_not_there_are_dropped(tmp_path: Path) -> None:
    FORMS["fits_named"](tmp_path)
    (tmp_path / "stamps" / "1_ref.fits").unlink()
    (tmp_path / "stamps" / "2_sci.fits").write_bytes(b"no FITS")
    index, _, writer = read(tmp_path)
    assert len(index) == 4
    reasons = [drop.reason for drop in writer.drops]
    assert reasons[0] == "no file 1_ref.fits" and len(reasons) == 2
    alone, _, writer = read(tmp_path / "stamps")  # without the table, the names of the files are the ids
    assert alone["id"].tolist() == ["0", "3", "4", "5"] and [drop.id for drop in writer.drops] == ["1", "2"]
    (tmp_path / "cubes").mkdir()
    FORMS["fits_cubes"](tmp_path / "cubes")
    (tmp_path / "cubes" / "table.csv").unlink()
    with pytest.raises(UserError):
        read(tmp_path / "cubes")


def test_what_normalised_them_is_recognised() -> None:
    raw = stamps()
    whole = raw / np.linalg.norm(raw, axis=(2, 3), keepdims=True)
    rows = raw / np.linalg.norm(raw, axis=3, keepdims=True)
    low, high = raw.min((2, 3), keepdims=True), raw.max((2, 3), keepdims=True)
    for expected, images in {
        "none": raw,
        "stamp_l2": whole,
        "row_l2": rows,
        "minmax": (raw - low) / (high - low),
    }.items():
        assert set(normalised_as(images.astype(np.float32))) == {expected}
        assert set(normalised_as(images.astype(np.float16).astype(np.float32))) == {expected}
    one = np.zeros_like(raw)
    one[:, :, 3, 3] = 1.0
    assert set(normalised_as(one)) <= {"stamp_l2", "minmax"}
    padded = whole.copy()
    padded[1, :, 15:] = 1e-9
    padded[2, :, :, 18:] = np.nan
    found, sizes = without_padding(padded)
    assert sizes.tolist() == [[21, 21], [15, 21], [21, 18], *[[21, 21]] * 3]
    assert np.isnan(found[1, :, 15:]).all() and np.array_equal(found[0], whole[0])


def test_parts_alone(tmp_path: Path) -> None:
    assert [canonical_channel(name) for name in ("a/SCI", "template_stamp", "x", "cutoutDifference")] == [
        "science", "reference", None, "difference"
    ]  # fmt: skip
    several = [Stack("one", (4, 3, 9, 9)), Stack("two", (4, 3, 9, 9))]
    with pytest.raises(UserError, match=r"name it: preprocessing\.stack="):
        layout_of(several, None, ["sci", "ref", "diff"], (), "a.npz")
    assert layout_of(several, None, ["sci", "ref", "diff"], ("two",), "a.npz").stacks == ("two",)
    named = pd.DataFrame(columns=["OID", "Candid", "class"])
    assert columns_of(named, {}, "t") == {"id": "Candid", "group": "OID", "label": "class"}
    rows = pd.DataFrame({"class": ["real", "bogus", None], "mjd": ["1", "2", "3"]})
    assert records_of(rows, {"label": "class"}, "s", 7)["id"].tolist() == ["s-7", "s-8", "s-9"]
    assert records_of(rows, {"label": "class"}, "s", 0)["label"].tolist()[:2] == [1, 0]
    with pytest.raises(ValueError, match="parse"):
        records_of(pd.DataFrame({"ra": ["x"]}), {"ra": "ra"}, "s", 0)
    pd.DataFrame({"a": [nested(np.ones(3)), nested(np.ones(2))]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="different lengths"):
        read_stack(tmp_path / "a.parquet", "a", 0, 2)


def test_zarr_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FORMS["zarr_group"](tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(UserError, match=r"astrid-ml\[zarr\]"):
        TripletsPipeline().plan([tmp_path])


def test_which_table_is_of_which_stamps(tmp_path: Path) -> None:
    for name in ("train_triplets_v10.npy", "val_triplets_v10.npy"):
        np.save(tmp_path / name, stamps())
    for name in ("train_cand_v10.csv", "val_cand_v10.csv", "README.txt"):
        table().to_csv(tmp_path / name, index=False)
    containers, tables = containers_below([tmp_path])
    found = {own.container.name: own.table for own in pair(containers, tables, Reading())}
    assert {name: path.name for name, path in found.items() if path} == {
        "train_triplets_v10.npy": "train_cand_v10.csv", "val_triplets_v10.npy": "val_cand_v10.csv"
    }  # fmt: skip
    assert files_of(table(), {"id": "candid"}, tmp_path) is None and fits_sets(tables, Reading()) == []


def test_an_id_in_two_files_counts_once(tmp_path: Path) -> None:
    FORMS["npy_first"](tmp_path)
    FORMS["hdf5"](tmp_path)
    index, _, _ = read(tmp_path)
    kept, drops = TripletsPipeline().finalise(index)
    assert len(kept) == N and {drop.reason for drop in drops} == {"the same id stands in another file"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"axes": "qqqq"}, "letters n, c, y, x"),
        ({"axes": "nny"}, "letters n, c, y, x"),
        ({"columns": {"grp": "tns"}}, "did you mean group"),
        ({"channels": ["a", "b", "c"]}, "once each"),
        ({"channels": ["science", "science", "difference"]}, "once each"),
    ],
    ids=str,
)
def test_words_that_no_array_can_have_are_refused_whatever_the_files_are(said: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TripletsPipeline(**said)


def test_the_simulators_files_are_not_read_as_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SimulateTriplets(n=8, missions=("ps1",), prevalence=0.5).run(tmp_path, seed=1)
    with pytest.raises(UserError, match=r"of ps1.*leave out survey="):
        TripletsPipeline(survey="roman").plan([tmp_path])
    assert TripletsPipeline(survey="ps1").plan([tmp_path])
    assert TripletsPipeline(axes="nyxc", columns={"group": "nosuch"}).plan([tmp_path])
    assert "preprocessing.axes and preprocessing.columns: of arrays of your own" in capsys.readouterr().err


def test_an_array_without_a_name_is_not_named(tmp_path: Path) -> None:
    np.save(tmp_path / "triplets.npy", np.zeros((30, 63, 63, 3), np.float32))
    with pytest.raises(UserError, match=r"its array has no name.*leave out preprocessing.stack"):
        TripletsPipeline(stack="nosuch").plan([tmp_path])
