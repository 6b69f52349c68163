"""A table that has the ids of the stamps' own container is joined by them; one that contradicts it is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from made.strangers import N, stamps, table

from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.triplets.joined import Files, by_ids, by_number, exact_texts, refuse_other_labels
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

IDS = table()["candid"].to_numpy(np.int64)
SHUFFLED = np.array([3, 0, 5, 1, 4, 2])


def _index(folder: Path) -> pd.DataFrame:
    pipeline, writer = TripletsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([folder]):
        assert not unit.missing, unit.missing
        pipeline.process(unit, writer, 0)
    return writer.source().index.reset_index(drop=True)


def _npz(folder: Path, **columns: object) -> None:
    np.savez(folder / "triplets.npz", triplets=stamps(), **columns)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["npz", "hdf5", "text"])
def test_a_shuffled_table_is_joined_by_the_ids_of_the_array(tmp_path: Path, kind: str) -> None:
    if kind == "hdf5":
        with h5py.File(tmp_path / "triplets.h5", "w") as file:
            file["triplets"], file["candid"] = stamps(), IDS
    else:
        _npz(tmp_path, candid=IDS.astype(str) if kind == "text" else IDS)
    more = pd.concat([table().iloc[SHUFFLED], table().assign(candid=IDS + 1000)])  # of stamps that are elsewhere
    more.to_csv(tmp_path / "candidates.csv", index=False)
    index = _index(tmp_path)
    assert index["id"].tolist() == IDS.astype(str).tolist()
    assert index["label"].tolist() == [1, 1, 0, 0, 1, 1] and index["mjd"].tolist() == [59000.0 + n for n in range(N)]


def test_rows_without_an_id_are_of_no_stamp(tmp_path: Path) -> None:
    _npz(tmp_path, candid=IDS)
    rows = pd.concat([table().iloc[:2].assign(candid=pd.NA), table().iloc[SHUFFLED]])
    rows.to_csv(tmp_path / "candidates.csv", index=False)
    index = _index(tmp_path)
    assert index["id"].tolist() == IDS.astype(str).tolist() and index["label"].tolist() == [1, 1, 0, 0, 1, 1]


def test_ids_that_a_float_cannot_hold_leave_the_order_as_it_is(tmp_path: Path) -> None:
    _npz(tmp_path, candid=(IDS + 2**60).astype(np.float64))
    table().to_csv(tmp_path / "candidates.csv", index=False)
    assert _index(tmp_path)["id"].tolist() == IDS.astype(str).tolist()


@pytest.mark.parametrize(
    ("case", "got"),
    [("others", f"without {N} of {N} ids"), ("twice", "stand several times"), ("labels", f"differ for {N} of {N}")],
)
def test_a_table_of_other_stamps_is_refused(tmp_path: Path, case: str, got: str) -> None:
    rows = table()
    if case == "others":
        rows["candid"] += 77
    if case == "twice":
        rows = rows.iloc[[*SHUFFLED, 3]]
    labels = {"label": 1 - rows["label"].to_numpy()} if case == "labels" else {}
    _npz(tmp_path, candid=IDS, **labels)
    rows.to_csv(tmp_path / "candidates.csv", index=False)
    with pytest.raises(UserError, match=got):
        _index(tmp_path)


NAMES = ["ids", "candids", "names", "object_ids", "keys", "sourceid", "candid", "alert_id"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["int", "text", "bytes", "hdf5"])
def test_ids_under_any_name_join_the_table(
    tmp_path: Path, name: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {"int": IDS, "text": IDS.astype(str)}.get(kind, IDS.astype("S20"))
    path = tmp_path / f"{kind}_{name}.{'h5' if kind == 'hdf5' else 'npz'}"  # what was said once is not said again
    if kind == "hdf5":
        with h5py.File(path, "w") as file:
            file["triplets"], file[name] = stamps(), ids
    else:
        np.savez(path, **{"triplets": stamps(), name: ids, "row": np.arange(N)})
    table().iloc[SHUFFLED].to_csv(tmp_path / "candidates.csv", index=False)
    index = _index(tmp_path)
    assert index["id"].tolist() == IDS.astype(str).tolist() and index["label"].tolist() == [1, 1, 0, 0, 1, 1]
    assert f"joined by {name} of {path.name} = candid of candidates.csv" in capsys.readouterr().err


def test_ids_that_no_role_knows_in_either_file(tmp_path: Path) -> None:
    _npz(tmp_path, keys=IDS)
    table().rename(columns={"candid": "cutout"}).iloc[SHUFFLED].to_csv(tmp_path / "candidates.csv", index=False)
    assert _index(tmp_path)["mjd"].tolist() == [59000.0 + n for n in range(N)]


def test_any_order_of_table_and_stamps(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for case in range(8):
        folder = tmp_path / str(case)
        folder.mkdir()
        own, rows = random.permutation(N), table().iloc[random.permutation(N)]
        np.savez(folder / "a.npz", triplets=stamps()[own], **{f"column{case}": IDS[own]}, noise=random.normal(size=N))
        rows.to_csv(folder / "a.csv", index=False)
        assert _index(folder)["mjd"].tolist() == [59000.0 + n for n in own]


@pytest.mark.parametrize(
    ("columns", "got"),
    [
        ({"ids": [*IDS[:3], 1, 2, 3]}, r"without 3 of 6 ids \(ids\)"),
        ({"ids": IDS, "others": IDS[::-1]}, "ids and others of triplets.npz, which say different rows"),
    ],
)
def test_ids_that_agree_in_part_or_contradict_each_other_are_refused(
    tmp_path: Path, columns: dict[str, object], got: str
) -> None:
    _npz(tmp_path, **columns)
    table().iloc[SHUFFLED].to_csv(tmp_path / "candidates.csv", index=False)
    with pytest.raises(UserError, match=got):
        _index(tmp_path)


def test_numbers_of_rows_are_no_ids(tmp_path: Path) -> None:
    _npz(tmp_path, place=np.arange(N))
    rows = table().assign(rank=[3, 1, 2, 5, 4, 0])
    rows.to_csv(tmp_path / "candidates.csv", index=False)
    assert _index(tmp_path)["id"].tolist() == IDS.astype(str).tolist()
    assert exact_texts(pd.Series([True, False])) is None


def test_by_ids_and_by_number_alone() -> None:
    files = Files("a.npz", "a.csv")
    inner, rows = pd.DataFrame({"k": ["b", "a"]}), pd.DataFrame({"id": ["a", "b"], "label": [0, 1]})
    join = by_ids(inner, rows, {"id": "id"}, files)
    assert join is not None and join.order.tolist() == [1, 0] and (join.own, join.given) == ("k", "id")
    assert by_ids(pd.DataFrame(index=range(2)), rows, {"id": "id"}, files) is None
    assert by_number(rows, None, "a.csv").tolist() == [0, 1]
    with pytest.raises(UserError, match="differ for 2 of 2"):
        refuse_other_labels(pd.DataFrame({"label": [1, 0]}), rows, "label", files)


@pytest.mark.parametrize("start", [0, 1])
def test_ids_that_count_rows_in_several_files_are_told_apart(tmp_path: Path, start: int) -> None:
    for night in ("n1", "n2"):
        (tmp_path / night).mkdir()
        np.save(tmp_path / night / "s.npy", stamps())
        table().assign(candid=np.arange(start, N + start)).to_csv(tmp_path / night / "s.csv", index=False)
    both = _index(tmp_path)
    assert both["id"].tolist() == [f"{night}/s-{row}" for night in ("n1", "n2") for row in range(N)]
    assert both["candid"].astype(int).tolist() == [*range(start, N + start)] * 2 and both["group_id"].nunique() == 3
    assert _index(tmp_path / "n1")["id"].tolist() == [str(row) for row in range(start, N + start)]
