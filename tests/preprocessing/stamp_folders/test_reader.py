"""Stamps of any container become samples; names and columns tell their sets, and what cannot be read is named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.stamp_folders.reader import StampFolder, set_of

STAMPS = np.random.default_rng(4).normal(size=(6, 3, 21, 21)).astype(np.float32)


def read(folder: Path, row: int) -> np.ndarray:
    return np.asarray(StampFolder()([folder]).gather("stamps", np.array([row]))[0])


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 2, 3, 1)])
def test_channels_stand_first_wherever_they_stood(axes: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STAMPS.transpose(axes))
    np.testing.assert_array_equal(read(tmp_path, 2), STAMPS[2])
    assert StampFolder()([tmp_path]).channels == ("science", "reference", "difference")


def test_arrays_of_each_container_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "plain.npy", STAMPS[:, 0])
    np.savez(tmp_path / "named.npz", sci=STAMPS[:, 0], ref=STAMPS[:, 1], diff=STAMPS[:, 2], label=np.zeros(6))
    with h5py.File(tmp_path / "deep.h5", "w") as file:
        file["group/x_test"], file["group/y_test"] = STAMPS, np.arange(6)
    table = pa.table({"image": [stamp.tolist() for stamp in STAMPS[:, 1]], "split": ["train"] * 4 + ["val", "test"]})
    pq.write_table(table, tmp_path / "lists.parquet")
    source = StampFolder()([tmp_path])
    count = source.index["file"].value_counts()
    assert count.to_dict() == {"plain": 6, "named": 6, "deep/group/x_test": 6, "lists/image": 6}
    by_file = dict(list(source.index.groupby("file")))
    assert set(by_file["deep/group/x_test"]["set"]) == {"test"}
    assert by_file["lists/image"]["set"].tolist() == ["train"] * 4 + ["val", "test"]
    for name, expected in (("plain", STAMPS[3, :1]), ("named", STAMPS[3]), ("lists/image", STAMPS[3, 1:2])):
        row = by_file[name].index[3]
        np.testing.assert_allclose(source.gather("stamps", np.array([row]))[0], expected, rtol=1e-6)


def encoded(stamp: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(stamp).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_of_hugging_face_are_read_by_the_folders_of_their_sets(tmp_path: Path) -> None:
    pictures = (STAMPS[:, 0] * 40 + 128).clip(0, 255).astype(np.uint8)
    for name, some in (("train", pictures[:4]), ("test", pictures[4:])):
        (tmp_path / name).mkdir()
        column = pa.array([{"bytes": encoded(one), "path": None} for one in some])
        pq.write_table(pa.table({"image": column, "label": [0] * len(some)}), tmp_path / name / "data-0.parquet")
    source = StampFolder()([tmp_path])
    assert source.index["set"].tolist() == ["test"] * 2 + ["train"] * 4
    np.testing.assert_array_equal(source.gather("stamps", np.array([5]))[0][0], pictures[3])


def test_a_table_beside_gives_ids_groups_and_places(tmp_path: Path) -> None:
    np.save(tmp_path / "triplets.npy", STAMPS)
    rows = {"candid": range(6), "objectId": list("aabbcc"), "ra": 10.0, "dec": -5.0, "fold": ["train"] * 5 + ["test"]}
    pd.DataFrame(rows).to_csv(tmp_path / "candidates.csv", index=False)
    index = StampFolder()([tmp_path]).index
    assert index["id"].tolist() == list("012345") and index["group_id"].tolist() == list("aabbcc")
    assert index["set"].tolist() == ["train"] * 5 + ["test"] and index["ra"].eq(10).all()


def test_a_table_of_other_rows_and_a_damaged_file_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "triplets.npy", STAMPS)
    pd.DataFrame({"id": ["a"]}).to_csv(tmp_path / "labels.csv", index=False)
    (tmp_path / "cut.npz").write_bytes(b"PK\3\4 and no more")
    np.save(tmp_path / "cube.npy", np.zeros((4, 20, 20, 20)))
    assert len(StampFolder()([tmp_path]).index) == 6
    said = capsys.readouterr().err
    assert "1 rows" in said and "cut.npz is left out" in said and "which axis holds channels?" in said
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "empty" / "labels.npy", np.zeros(5))
    with pytest.raises(UserError, match="stamps: arrays of samples, height and width"):
        StampFolder()([tmp_path / "empty"])


def test_ids_that_two_files_give_stay_two(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", STAMPS)
        pd.DataFrame({"id": range(6)}).to_csv(tmp_path / name / "x.csv", index=False)
    index = StampFolder()([tmp_path]).index
    assert index["id"].is_unique and index["id"].tolist()[6] == "b/x:0"


def test_words_of_a_name_tell_a_set() -> None:
    assert [set_of(name) for name in ("XTrain", "valid_2", "heldout", "latest", "train_and_test")] == [
        "train",
        "val",
        "test",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [(np.ones((4, 9, 9), complex), "of complex128"), (np.full((4, 9, 9), "a"), "of texts"), (None, "damaged .npy")],
)
def test_a_folder_without_stamps_says_why_of_each_container(content: Any, said: str, tmp_path: Path) -> None:
    if content is None:
        (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00junk")
    else:
        np.save(tmp_path / "a.npy", content)
    with pytest.raises(UserError, match="stamps: arrays of samples") as told:
        StampFolder()([tmp_path])
    assert "a.npy: " in told.value.got and said in told.value.got
