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
