"""Datasets of the old scripts: where their table is, a unit an image, and what becomes of each row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.roman.job.old_dataset import find, plan, process

ROWS = """id,jid,x,y,sharpness,match_id,truth_id,injected,label,image_filename
1.0,jid7,3.0,4.0,0.5,11_inj,11,True,1,images/jid7.npy
2.0,jid7,29.4,19.4,0.6,55_ou,55,False,1,images/jid7.npy
3.0,jid7,29.5,4.0,0.7,,,False,0,images/jid7.npy
3.0,jid7,9.0,9.0,,,,False,0,images/jid7.npy
1.0,jid8,3.0,4.0,0.5,11_inj,11,True,1,images/jid8.npy
2.0,jid8,8.0,4.0,0.5,55_ou,55,False,1,images/jid8.npy
4.0,jid8,-0.5,-0.5,0.5,,,False,0,images/jid8.npy
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two images of 20 x 30 px and seven rows."""
    folder = tmp_path / "old"
    (folder / "images").mkdir(parents=True)
    for number in (7, 8):
        frame = np.random.default_rng(number).random((20, 30, 4))
        np.save(folder / "images" / f"jid{number}.npy", frame)
    (folder / "master_index.csv").write_text(ROWS)
    return folder / "master_index.csv"


def read(table: Path) -> MemoryUnitWriter:
    writer = MemoryUnitWriter()
    for unit in plan(table):
        process(unit, writer)
    return writer


def test_the_table_is_found_by_its_name_its_folder_or_a_croissant(table: Path) -> None:
    croissant = table.parent / "croissant.json"
    croissant.write_text(json.dumps({"distribution": [{"contentUrl": "images"}, {"contentUrl": "master_index.csv"}]}))
    assert find(table) == find(table.parent) == find(croissant) == table
    assert find(table.parent / "images") is None and find(table.parent / "images" / "jid7.npy") is None


@pytest.mark.parametrize("content", ["no json", "[1, 2]", '{"distribution": [{"contentUrl": "absent.csv"}]}', "{}"])
def test_a_croissant_without_a_table_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "croissant.json").write_text(content)
    with pytest.raises(UserError, match="folder"):
        find(tmp_path / "croissant.json")


def test_an_image_is_a_unit_and_incomplete_where_it_is_missing(table: Path) -> None:
    (table.parent / "images" / "jid8.npy").unlink()
    there, gone = plan(table)
    assert (there.id, there.missing) == ("jid7", ())
    assert there.inputs == (table, table.parent / "images" / "jid7.npy")
    assert there.bytes_needed == there.inputs[1].stat().st_size
    assert (gone.id, gone.missing, gone.inputs) == ("jid8", ("images/jid8.npy",), (table,))


def test_a_table_without_a_column_is_refused_and_it_is_named(table: Path) -> None:
    pd.read_csv(table).drop(columns=["label", "y"]).to_csv(table, index=False)
    with pytest.raises(UserError, match="no y, label in"):
        plan(table)


def test_an_image_of_another_shape_is_named(table: Path) -> None:
    np.save(table.parent / "images" / "jid7.npy", np.zeros((20, 30, 3)))
    with pytest.raises(ValueError, match=r"jid7\.npy has the shape \(20, 30, 3\)"):
        read(table)


def test_rows_are_taken_over_and_those_that_cannot_be_used_are_named(table: Path) -> None:
    writer = read(table)
    index = writer.source().index
    assert index["id"].tolist() == ["jid7_1", "jid7_2", "jid8_1", "jid8_2", "jid8_4"]
    assert [(drop.id, drop.reason) for drop in writer.drops] == [
        ("jid7_3", "a position outside the image"),
        ("jid7_3", "an id that stands in the table twice"),
    ]
    assert index["label"].tolist() == [1, 1, 1, 1, 0]
    assert index["sharpness"].tolist() == [0.5, 0.6, 0.5, 0.5, 0.5]
    assert index[["peak", "flux", "mag_truth", "ra"]].isna().all(axis=None)
    assert (index[["zscale_low_science", "zscale_high_scorr"]] == [0.0, 1.0]).all(axis=None)
    assert writer.counts["jobs"] == 2


def test_frames_are_the_old_ones_as_float32(table: Path) -> None:
    source = read(table).source()
    rows = source.index.drop_duplicates("image")[["array", "row"]].to_numpy().tolist()
    for (array, row), number in zip(rows, (7, 8), strict=True):
        frame = source.shard(array, "frame")[row]
        expected = np.load(table.parent / "images" / f"jid{number}.npy").astype(np.float32)
        assert frame.dtype == np.float32
        np.testing.assert_array_equal(frame, expected)


def test_a_natural_object_is_one_in_all_jobs_and_an_injection_only_in_its_own(table: Path) -> None:
    index = read(table).source().index.set_index("id")
    truth, group = index["truth_id"].to_dict(), index["group_id"].to_dict()
    assert truth["jid7_2"] == truth["jid8_2"] == "55_ou"
    assert truth["jid7_1"] != truth["jid8_1"]
    assert pd.isna(truth.pop("jid8_4")) and group.pop("jid8_4") == "jid8_4"
    assert group == truth


def test_rows_of_one_image_need_not_stand_together(table: Path) -> None:
    rows = pd.read_csv(table)
    rows.iloc[[4, 0, 5, 1, 6]].to_csv(table, index=False)
    assert sorted(read(table).source().index["id"]) == ["jid7_1", "jid7_2", "jid8_1", "jid8_2", "jid8_4"]


@pytest.mark.parametrize("written", [("True", "False"), ("1", "0"), ("1.0", "0.0"), ("true", " ")])
def test_a_row_that_does_not_say_so_is_no_injection(written: tuple[str, str], table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows["injected"] = [written[0], written[1], "", "", "", written[1], ""]
    rows.to_csv(table, index=False)
    index = read(table).source().index
    assert index["injected"].dtype == bool
    assert index["injected"].tolist() == [True, False, False, False, False]
    assert index["truth_id"][0] == "jid7_11_inj"


def test_a_row_without_an_image_is_dropped_with_the_reason(table: Path) -> None:
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.loc[[1, 4], "image_filename"] = ""
    rows.loc[4, "jid"] = ""
    rows.to_csv(table, index=False)
    assert [unit.id for unit in plan(table)] == ["jid7", "jid8", "rows without an image of old"]
    writer = read(table)
    lost = [(drop.id, drop.reason) for drop in writer.drops if drop.reason == "no image_filename"]
    assert lost == [("jid7_2", "no image_filename"), ("no job_1", "no image_filename")]
    assert len(writer.source().index) + len(writer.drops) == len(rows)


def test_images_of_one_stem_are_told_apart(table: Path) -> None:
    for folder, old in (("a", "jid7"), ("b", "jid8")):
        (table.parent / folder).mkdir()
        (table.parent / "images" / f"{old}.npy").rename(table.parent / folder / "jid1.npy")
    np.save(table.parent / "a_jid1.npy", np.zeros((20, 30, 4)))
    rows = pd.read_csv(table)
    rows["image_filename"] = ["a/jid1.npy"] * 3 + ["a_jid1.npy"] + ["b/jid1.npy"] * 3
    rows.to_csv(table, index=False)
    assert [unit.id for unit in plan(table)] == ["a_jid1_", "a_jid1", "b_jid1"]
    index = read(table).source().index
    assert index["id"].is_unique
    assert index["image"].unique().tolist() == ["images/a_jid1_.npy", "images/a_jid1.npy", "images/b_jid1.npy"]


def test_a_damaged_image_is_called_so(table: Path) -> None:
    (table.parent / "images" / "jid7.npy").write_bytes(b"no array " * 20)
    with pytest.raises(ValueError, match=r"^damaged \.npy: .*jid7\.npy$"):
        read(table)
