"""Prediction on a second device: batches go there, scores come back, and nothing else leaves it or stays behind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from made.elsewhere import THERE, Elsewhere, TwoDevicesError, move, watched
from torch import Tensor

from astrid_ml.build import build, plain
from astrid_ml.config import compose
from astrid_ml.models.tasks.task import member_tables
from astrid_ml.models.tasks.voxels import VoxelTask

BATCHES = 3
NOTHING: Any = None  # the datamodule below asks for no samples
EXPERIMENTS = ("realbogus_triplets", "realbogus_roman", "lightcurves_sim", "ramp_anomalies")
NETWORKS = [(name, None) for name in EXPERIMENTS] + [("lightcurves_sim", "lightcurve_transformer")]


class Given:
    """A datamodule that gives one batch again and again; a curve has a row for each of its questions."""

    def __init__(self, batch: dict[str, Tensor], length: int) -> None:
        self.batch, self.rows = batch, np.arange(length)

    def batches(self, source: Any, rows: Any = None) -> Iterator[tuple[Any, dict[str, Tensor]]]:
        yield from ((self.rows, dict(self.batch)) for _ in range(BATCHES))


@cache
def parts(experiment: str, model: str | None) -> tuple[Any, dict[str, Tensor]]:
    """A task with random weights, and a batch for it."""
    words = [f"experiment={experiment}", "paths.run_dir=run", "paths.sweep_dir=sweep"]
    config = plain(compose("train", [*words, *([f"model={model}"] if model else [])]))
    torch.manual_seed(0)
    task, batch = build(config["model"]["task"]), build(config["datamodule"]).example()
    random = torch.Generator().manual_seed(1)
    moving = {k: v + 0.1 * torch.randn(v.shape, generator=random) for k, v in batch.items() if v.is_floating_point()}
    return task.eval(), {**batch, **moving, "y": batch["y"]}


@pytest.mark.parametrize(("experiment", "model"), NETWORKS)
def test_a_batch_goes_there_once_and_its_scores_come_back_once(
    experiment: str, model: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tensor that only says that it is elsewhere cannot be changed in place in inference mode.
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)
    task, batch = parts(experiment, model)
    with torch.inference_mode():
        length = len(next(iter(task.scores(dict(batch)).values())))
    data = Given(batch, length)
    (expected,) = member_tables([(task, data)], NOTHING)
    moved = move(copy.deepcopy(task))
    with watched() as counts:
        (table,) = member_tables([(moved, data)], NOTHING)
    pd.testing.assert_frame_equal(table, expected)
    tree = experiment.startswith("lightcurves")
    assert (
        BATCHES * len(batch) <= counts["in"] <= BATCHES * (len(batch) + 3 * tree)
    )  # and a tree's parents, siblings, lengths
    assert counts["constants"] == (BATCHES * len(task.taxonomy.sibling_groups) if tree else 0)
    columns = [name for name in table.columns if name != "row"]
    assert BATCHES * len(columns) <= counts["out"] <= BATCHES * (len(columns) + 1)  # lengths of curves, for packing
    assert counts["there"] > 10 * BATCHES


def test_windows_over_exposures_and_joined_members_stay_there_too() -> None:
    task, _ = parts("ramp_anomalies", None)
    assert isinstance(task, VoxelTask)
    cube, times = torch.randn(1, 6, 16, 16), torch.arange(6.0)
    moved = move(copy.deepcopy(task))
    with watched() as counts:
        scorer = moved.voxel_scorer("fp32")
        before = counts["in"], counts["out"]
        odds = scorer(cube, times)
    assert (counts["in"] - before[0], counts["out"] - before[1]) == (2, 1)  # reads and times; log-odds
    torch.testing.assert_close(odds, task.voxel_scorer("fp32")(cube, times), rtol=0, atol=0)


def test_the_spy_sees_what_stays_behind() -> None:
    here, there = torch.ones(3), Elsewhere(torch.ones(3))
    assert there.device == THERE
    with watched() as counts:
        with pytest.raises(TwoDevicesError, match="is here"):
            there + here
        assert float((there * 2.0 + torch.tensor(1.0)).sum()) == 9.0
        assert (torch.zeros(3, device=there.device) + there).cpu().tolist() == [1.0, 1.0, 1.0]
        assert isinstance(here.to(there), Elsewhere)
    assert (counts["in"], counts["out"], counts["asked"]) == (1, 1, 1)
