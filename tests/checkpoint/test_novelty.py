"""Novelty from networks to columns: each answer of each sample, in whatever order the table holds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.checkpoint.novelty import fitted_novelty, questions_of, with_novelty
from astrid_ml.contracts.told import EmbedsQuestions
from astrid_ml.models.lightcurves.encoding import N_FEATURES
from astrid_ml.models.lightcurves.network import CurveGRU
from astrid_ml.models.tasks.hierarchy import HierarchyTask
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.types import Ints

N = 240
WINDOWS = (4.0, 64.0)


class Kinds:
    """Curves of two kinds by parity; those from 200 on are of a third that training has none of."""

    def batches(self, source: Any, rows: Ints | None = None) -> Iterator[tuple[Ints, dict[str, torch.Tensor]]]:
        rows = np.arange(N) if rows is None else rows
        for start in range(0, len(rows), 100):
            chosen = rows[start : start + 100]
            parts = []
            for row in chosen:
                generator = torch.Generator().manual_seed(int(row))
                parts.append(torch.randn(8, N_FEATURES, generator=generator) * 0.3)
                parts[-1][:, 3] += 9.0 if row >= 200 else (2.0 if row % 2 else -2.0)
                parts[-1][:, 5] += -9.0 if row >= 200 else 0.0
            n = len(chosen)
            days = torch.tensor([WINDOWS]).expand(n, -1)
            batch = {"values": torch.cat(parts), "lengths": torch.full((n,), 8), "static": torch.zeros(n, 0),
                     "queries": torch.tensor([[3, 8]]).expand(n, -1), "elapsed": days, "days": days,
                     "seen_days": days - 1}  # fmt: skip
            yield np.repeat(chosen, 2), batch


def made() -> tuple[HierarchyTask, Kinds, MemorySource]:
    torch.manual_seed(0)
    task = HierarchyTask(CurveGRU((), "bts", hidden=16, latent=12), "bts").eval()
    names = [f"o{k}" for k in range(N)]
    index = pd.DataFrame(
        {"id": names, "group_id": names, "label": np.where(np.arange(N) % 2, "Ia", "II"), "array": "s"}
    )
    return task, Kinds(), MemorySource(index.assign(row=range(N)), {"s": {}}, {})


def test_each_question_has_what_the_network_knows_and_the_age_of_what_it_saw() -> None:
    task, data, source = made()
    assert isinstance(task, EmbedsQuestions)
    found = questions_of(task, data, source, np.arange(5))
    assert found is not None
    at, known, ages = found
    assert at.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] and ages.tolist() == [3.0, 63.0] * 5
    assert known.shape == (10, 12)
    one = questions_of(task, data, source, np.array([4]))
    assert one is not None
    np.testing.assert_allclose(one[1], known[8:], atol=1e-6)
    task.network = torch.nn.Linear(2, 2)
    assert questions_of(task, data, source, np.arange(5)) is None
    assert fitted_novelty(torch.nn.Linear(2, 2), data, source, (np.arange(100), np.arange(100, 200))) is None


def test_new_curves_have_small_p_values_beside_their_own_rows() -> None:
    task, data, source = made()
    novelty = fitted_novelty(task, data, source, (np.arange(100), np.arange(100, 160)))
    assert novelty is not None and novelty["centres"].shape == (2, 12)
    rows = np.arange(160, N)
    table = pd.DataFrame({"index_row": np.repeat(rows, 2), "days": np.tile(WINDOWS, len(rows))})
    positions = table["index_row"].to_numpy()
    told = with_novelty(table, {"novelty": novelty}, (task, data), source, rows, positions)
    new = told["index_row"] >= 200
    assert told.loc[~new, "novelty_p"].mean() > 0.3 and told.loc[new, "novelty_p"].max() < 0.05
    mixed = table.sort_values(["days", "index_row"]).reset_index(drop=True)
    again = with_novelty(mixed, {"novelty": novelty}, (task, data), source, rows, mixed["index_row"].to_numpy())
    both = again.merge(told, on=["index_row", "days"])
    np.testing.assert_array_equal(both["novelty_p_x"], both["novelty_p_y"])


def test_a_checkpoint_that_knows_none_gives_no_column() -> None:
    task, data, source = made()
    table = pd.DataFrame({"index_row": [0, 1]})
    for validity in (None, {}, {"novelty": None}):
        assert with_novelty(table, validity, (task, data), source, np.arange(2), np.arange(2)) is table
