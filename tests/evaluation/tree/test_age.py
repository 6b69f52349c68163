"""A curve is calibrated by what it has shown: its own last epoch, however long the window that was asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.datamodules.curve_features import ask, last_seen
from astrid_ml.datamodules.curves import CurveDataModule
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.evaluation.tree.sets import windows_of
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.taxonomy import load_taxonomy

TREE = load_taxonomy("supernnova")


def bent(n: int, seed: int, seen: float, day: float) -> pd.DataFrame:
    """Scores that are too sure the more the earlier the curve ends, with labels that they were drawn for."""
    random = np.random.default_rng(seed)
    conditional, sharp = np.ones((n, len(TREE.nodes))), np.ones((n, len(TREE.nodes)))
    power = 4.0 if seen < 32 else 0.5
    for group in TREE.sibling_groups:
        shares = random.dirichlet(np.full(len(group), 0.7), n)
        conditional[:, list(group)] = shares
        own = np.maximum(shares, 1e-9) ** power
        sharp[:, list(group)] = own / own.sum(axis=1, keepdims=True)
    p, told = TREE.probabilities(conditional), TREE.probabilities(sharp)
    leaves = TREE.level_nodes(TREE.n_levels)
    edges = np.cumsum(p[:, leaves], axis=1)
    nodes = leaves[(random.random((n, 1)) > edges).sum(axis=1).clip(max=len(leaves) - 1)]
    out = pd.DataFrame({f"score_{name}": told[:, k] for k, name in enumerate(TREE.nodes)})
    names = [TREE.nodes[k] for k in nodes]
    return out.assign(label=names, days=day, seen_days=seen, group_id=[f"{seed}-{k}" for k in range(n)])


def test_a_window_says_nothing_beyond_the_last_epoch() -> None:
    """Of 1,024 days that ended after 16, the calibration is that of 16; so it is of the whole curve."""
    known = [bent(1500, 1, 15.3, 16.0), bent(1500, 2, 15.3, 1024.0), bent(1500, 3, 900.0, 1024.0)]
    judge = HierarchicalJudge("supernnova", bootstrap=Bootstrap(10), sets=None)
    fitted = judge.fit(pd.concat(known, ignore_index=True))
    assert fitted["clock"] == "seen_days"
    young = bent(800, 4, 15.3, 1024.0)
    told = [judge.apply(young.assign(days=day), fitted) for day in (15.3, 16.0, 1024.0)]
    for other in told[1:]:
        np.testing.assert_array_equal(other["p_Ia"], told[0]["p_Ia"])
    old = bent(800, 5, 900.0, 1024.0)
    for table in (young, old):
        judged = judge.evaluate(judge.apply(table, fitted))
        day = f"{table['days'].iloc[0]:g}d"
        after, before = (judged.metrics[f"leaf/{name}/{day}"] for name in ("nll", "nll_uncalibrated"))
        assert after is not None and before is not None and after < before


def test_a_calibration_of_before_goes_by_the_window_and_a_whole_curve_by_its_age() -> None:
    judge = HierarchicalJudge("supernnova", bootstrap=Bootstrap(10), sets=None)
    known = pd.concat([bent(900, 1, 15.3, 16.0), bent(900, 2, 900.0, 1024.0)], ignore_index=True)
    before = judge.fit(known.drop(columns="seen_days"))
    assert before["clock"] == "days"
    del before["clock"]  # as earlier checkpoints have it
    young = bent(300, 3, 15.3, 15.3)
    at_16, whole, at_1024 = (judge.apply(young.assign(days=day), before)["p_Ia"] for day in (16.0, 15.3, 1024.0))
    assert np.abs(whole - at_16).max() < 0.1 * np.abs(at_1024 - at_16).max()


def curves(ends: float) -> MemorySource:
    """Ten objects whose files end so many days after the trigger."""
    random = np.random.default_rng(0)
    parts = []
    for _ in range(10):
        days = np.concatenate([[-3.0, 0.0], np.sort(random.uniform(0.5, ends, 10)), [ends]])
        one = np.ones(len(days))
        parts.append(np.stack([days, 90 * one, one, days >= 0, 0.62 * one], axis=1).astype(np.float32))
    writer = MemoryUnitWriter()
    names = [f"o{k}" for k in range(10)]
    writer.add_ragged(pd.DataFrame({"id": names, "group_id": names, "label": "RRL"}), {"epochs": parts})
    return writer.source()


@pytest.mark.parametrize("days", [(), (16,), (1024,), (4, 16, 64)])
def test_a_file_that_ends_after_16_days_is_16_days_old_whatever_is_asked(days: tuple[float, ...]) -> None:
    data = CurveDataModule(windows=[4, 16, 64, 1024], days=days)
    (_, batch), *_ = data.batches(curves(15.8))
    assert batch["seen_days"][:, -1] == pytest.approx(torch.full((10,), 15.8), abs=1e-5)
    assert batch["days"][:, -1] == pytest.approx(torch.full((10,), float(days[-1]) if days else 15.8), abs=1e-5)
    assert torch.isfinite(batch["days"]).all()
    assert (batch["seen_days"] <= batch["days"]).all()


def test_what_was_seen_last_is_the_last_epoch_of_the_question() -> None:
    epochs = torch.tensor([[-5.0, 1, 1, 0, 0.6], [0.0, 9, 1, 1, 0.6], [9.0, 9, 1, 1, 0.6], [2.0, 9, 1, 1, 0.6]])
    lengths = torch.tensor([3, 1])
    queries, _ = ask(epochs, lengths, torch.tensor([4.0, 64.0]))
    assert last_seen(epochs, lengths, queries).tolist() == [[0.0, 9.0], [2.0, 2.0]]
    assert last_seen(epochs, lengths, torch.tensor([[1], [1]])).tolist() == [[0.0], [2.0]]  # before time zero: none


def test_sets_are_those_of_the_nearest_window() -> None:
    rows = windows_of(np.array([0.2, 1.0, 5.0, 6.0, 15.8, 5000.0]), ["1", "4", "8", "16"])
    assert {day: np.flatnonzero(at).tolist() for day, at in rows.items()} == {"1": [0, 1], "4": [2], "8": [3],
                                                                              "16": [4, 5]}  # fmt: skip
    assert windows_of(np.array([3.0]), []) == {}
