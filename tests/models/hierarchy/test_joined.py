"""Members of a tree as one: at each family of siblings the mean of their log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, logit

from astrid_ml.checkpoint.joined import JoinedTask
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.calibration import joined_nodes
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.models.lightcurves.encoding import N_FEATURES
from astrid_ml.models.lightcurves.network import CurveGRU
from astrid_ml.models.tasks.hierarchy import HierarchyTask
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import Ints

DAYS = (4.0, 64.0)


class Curves:
    """Curves of noise, scaled by the statistics of whoever asks; each object at two windows."""

    def __init__(self, per_batch: int = 100) -> None:
        self.per_batch, self.statistics = per_batch, {"scale": 1.0}

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        self.statistics = statistics

    def batches(self, source: MemorySource, rows: Ints | None = None) -> Iterator[tuple[Ints, dict[str, torch.Tensor]]]:
        rows = np.arange(len(source.index)) if rows is None else rows
        for start in range(0, len(rows), self.per_batch):
            chosen = rows[start : start + self.per_batch]
            parts = [torch.randn(6, N_FEATURES, generator=torch.Generator().manual_seed(int(row))) for row in chosen]
            days = torch.tensor([DAYS]).expand(len(chosen), -1)
            lengths = torch.full((len(chosen),), 6)
            batch = {
                "values": torch.cat(parts) * self.statistics["scale"],
                "lengths": lengths,
                "static": torch.zeros((len(chosen), 0)),
                "queries": torch.stack([torch.ones_like(lengths), lengths], dim=1),
                "elapsed": days,
                "days": days,
            }
            yield np.repeat(chosen, len(DAYS)), batch


@pytest.fixture(scope="module")
def source() -> MemorySource:
    tree = load_taxonomy("bts")
    labels = [tree.leaves[number % len(tree.leaves)] for number in range(40)]
    index = pd.DataFrame({"id": [f"o{i}" for i in range(40)], "group_id": [f"o{i}" for i in range(40)]})
    return MemorySource(index.assign(label=labels, array="s", row=range(40)), {"s": {}}, {})


@pytest.fixture(scope="module")
def members() -> list[HierarchyTask]:
    out = []
    for number in range(3):
        torch.manual_seed(number)
        task = HierarchyTask(CurveGRU((), "bts", hidden=8, latent=8), "bts").eval()
        task.loss.weights.copy_(torch.rand(len(task.taxonomy.nodes)) + 0.5)  # each trained on other counts
        for weights in task.network.parameters():
            torch.nn.init.normal_(weights, std=0.3)
        out.append(task)
    return out


def judged(source: MemorySource, table: pd.DataFrame) -> pd.DataFrame:
    index = source.index.iloc[table["row"].to_numpy()].reset_index(drop=True)
    return pd.concat([index[["id", "group_id", "label"]], table], axis=1)


@pytest.mark.parametrize("calibrate", [True, False])
def test_a_tree_of_members_is_the_mean_of_their_calibrated_logs(
    source: MemorySource, members: list[HierarchyTask], calibrate: bool
) -> None:
    judge, tree = HierarchicalJudge("bts", calibrate=calibrate, bootstrap=Bootstrap(5)), load_taxonomy("bts")
    statistics = [{"scale": 1.0 + number} for number in range(3)]
    tables, fitted = [], []
    for task, own in zip(members, statistics, strict=True):
        data = Curves()
        data.load_statistics(own)
        tables.append(judged(source, task.predict_table(data, source)))
        fitted.append(judge.fit(tables[-1]))
    own_p = [judge.apply(table, one) for table, one in zip(tables, fitted, strict=True)]
    calibration = judge.fit_members(fitted, own_p[0])
    assert calibration["calibrated"] is calibrate
    joined = JoinedTask(members, statistics)
    found = judge.apply(judged(source, joined.predict_table(Curves(7), source)), calibration)
    assert list(found.columns) == list(own_p[0].columns)
    assert found["days"].tolist() == list(DAYS) * 40
    for prefix, parts in (("score_", tables), ("p_", own_p)):
        for siblings in tree.sibling_groups:
            parent = tree.nodes[int(tree.parent[siblings[0]])]
            logs = [
                np.log(np.stack([part[f"{prefix}{tree.nodes[k]}"] / part[f"{prefix}{parent}"] for k in siblings]))
                for part in parts
            ]
            mean = np.exp(np.mean(logs, axis=0))
            mean /= mean.sum(axis=0)
            for place, k in enumerate(siblings):
                share = found[f"{prefix}{tree.nodes[k]}"] / found[f"{prefix}{parent}"]
                np.testing.assert_allclose(share, mean[place], atol=1e-6 if prefix == "p_" else 1e-5)
    leaves = found[[f"p_{name}" for name in tree.leaves]].to_numpy()
    np.testing.assert_allclose(leaves.sum(axis=1), 1.0, atol=1e-12)
    entropy = -(leaves * np.log(leaves)).sum(axis=1) / np.log(len(tree.leaves))
    np.testing.assert_allclose(found["entropy"], entropy, atol=1e-9)


def test_of_two_siblings_it_is_the_mean_of_log_odds() -> None:
    tree = load_taxonomy("supernnova")
    pair = next(list(group) for group in tree.sibling_groups if len(group) == 2)
    parts = []
    for share in (0.2, 0.9, 0.999):
        conditional = np.ones((1, len(tree.nodes)))
        for group in tree.sibling_groups:
            conditional[:, list(group)] = 1 / len(group)
        conditional[:, pair] = [share, 1 - share]
        parts.append(tree.probabilities(conditional))
    found = joined_nodes(tree, parts)
    parent = int(tree.parent[pair[0]])
    expected = expit(np.mean(logit([0.2, 0.9, 0.999])))
    assert found[0, pair[0]] / found[0, parent] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(joined_nodes(tree, [parts[0]] * 4), parts[0], atol=1e-12)


def test_members_that_are_not_there_are_named(source: MemorySource, members: list[HierarchyTask]) -> None:
    judge = HierarchicalJudge("bts", calibrate=False)
    table = judged(source, members[0].predict_table(Curves(), source))
    none = judge.fit(table)
    with pytest.raises(UserError, match="the scores of each member"):
        judge.apply(table, judge.fit_members([none, none], judge.apply(table, none)))
