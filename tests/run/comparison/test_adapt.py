"""Networks fitted to another kind of samples without their labels."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score

from astrid_ml.build import build, plain
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.models.braai.network import BraaiVGG6, BraaiWide
from astrid_ml.models.tasks.binary import RealBogusTask
from astrid_ml.run.comparison.adapt import adapted_scores, aligned, refuse_adaptation
from astrid_ml.run.comparison.page import heat_figure, matrix_page

N = 400


class Stamps:
    """Two kinds of stamps of 8 px: the second is the first, scaled and shifted; a brighter centre is real."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        label = random.integers(0, 2, N)
        x = random.normal(size=(N, 1, 8, 8)) + 0.6 * label[:, None, None, None]
        kind = np.arange(N) % 2
        self.x = torch.from_numpy(np.where(kind[:, None, None, None] == 1, 5 * x - 8, x)).float()
        self.index = pd.DataFrame({"id": np.arange(N).astype(str), "group_id": np.arange(N).astype(str)})
        self.index["label"], self.index["kind"] = label, kind
        self.by_column = self.index
        self.y = torch.from_numpy(np.where(kind == 0, label, np.nan)).float()  # nobody may learn from the second's

    def batches(self, source: Any, rows: Any = None) -> Any:
        for start in range(0, len(rows), 64):
            chosen = np.array(rows[start : start + 64])
            yield chosen, {"x": self.x[chosen], "y": self.y[chosen]}


def trained(data: Stamps, batch_norm: bool) -> Any:
    """A network trained on the first kind."""
    torch.manual_seed(0)
    network = BraaiWide(1, 8, 0, (8, 8), 16, 0.0, batch_norm)
    task = RealBogusTask(network, channels_last=False)
    n = len(data.index)
    own = np.flatnonzero((data.index["kind"] == 0) & (np.arange(n) < n // 2))
    x, y = data.x[own], torch.tensor(data.index["label"].to_numpy()[own]).float()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(network(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    task.eval()
    score = lambda source, rows: task.predict_table(data, source, rows)  # noqa: E731
    return SimpleNamespace(task=task, datamodule=data, score=score)


def fold(data: Stamps, kind: int) -> pd.DataFrame:
    own = (data.index["kind"] == kind).to_numpy()
    names = np.where(own, np.where(np.arange(N) < N // 2, "train", "test"), "unused")
    return pd.DataFrame({"id": data.index["id"], "fold": names})


@pytest.mark.parametrize("way", ["per_mission_norm", "coral", "test_time_bn"])
def test_a_scale_and_an_offset_are_won_back(way: str) -> None:
    data = Stamps()
    model = trained(data, batch_norm=way == "test_time_bn")
    rows = np.flatnonzero((data.index["kind"] == 1) & (np.arange(N) >= N // 2))
    tested = data.index.iloc[rows].reset_index(drop=True)
    tested = tested.assign(score=model.score(data, rows)["score"].to_numpy())
    before = average_precision_score(tested["label"], tested["score"])
    # Labels are torn away: nothing may read them.
    data.index["label"] = np.nan
    found = adapted_scores(model, data, tested, (fold(data, 0), fold(data, 1)), way)  # type: ignore[arg-type]
    assert average_precision_score(tested["label"], found["score"]) > max(before, 0.9)
    assert found.drop(columns="score").equals(tested.drop(columns="score"))


def test_a_network_trained_on_sees_no_longer_what_only_the_other_kind_has() -> None:
    """The second kind's background level alone made all of its stamps real."""
    random, n = np.random.default_rng(1), 1200
    data = Stamps()
    label, kind = random.integers(0, 2, n), np.arange(n) % 2
    x = random.normal(size=(n, 1, 8, 8)) + kind[:, None, None, None] * random.uniform(0.2, 1.4, (n, 1, 1, 1))
    x[:, :, 3:5, 3:5] += 1.2 * label[:, None, None, None]
    data.x, data.y = torch.from_numpy(x).float(), torch.from_numpy(np.where(kind == 0, label, np.nan)).float()
    data.index = pd.DataFrame({"id": np.arange(n).astype(str), "label": label, "kind": kind})
    data.by_column = data.index
    model = trained(data, batch_norm=False)
    names = np.where(np.arange(n) < 800, "train", "test")
    folds = [pd.DataFrame({"id": data.index["id"], "fold": np.where(kind == k, names, "unused")}) for k in (0, 1)]
    tested = data.index[(kind == 1) & (names == "test")].reset_index(drop=True)
    rows = tested["id"].astype(int).to_numpy()
    tested = tested.assign(score=model.score(data, rows)["score"].to_numpy())
    random_state = torch.get_rng_state()
    found = adapted_scores(model, data, tested, (folds[0], folds[1]), "dann", seed=3)  # type: ignore[arg-type]
    before, after = (average_precision_score(table["label"], table["score"]) for table in (tested, found))
    assert after > before + 0.03
    assert torch.equal(torch.get_rng_state(), random_state) and not model.task.training


def test_too_few_samples_are_nothing_to_adapt_to() -> None:
    data = Stamps()
    few = fold(data, 1).assign(fold="unused")
    with pytest.raises(UserError, match="samples or more to adapt to"):
        adapted_scores(trained(data, False), data, data.index, (fold(data, 0), few), "coral")  # type: ignore[arg-type]


def test_coral_leaves_points_of_the_same_kind_where_they_are() -> None:
    points = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([1.0, 2.0, 3.0])
    assert np.allclose(aligned(points, points, points), points)


@pytest.mark.parametrize("network", [BraaiWide(2, 31), BraaiVGG6(2, 31)])
def test_the_last_layer_can_be_asked_by_itself(network: Any) -> None:
    network.eval()
    x = torch.randn(3, 2, 31, 31)
    assert torch.equal(network(x), network.answer(network.embed(x)))


@pytest.mark.parametrize(
    ("words", "way", "expected"),
    [
        (["experiment=realbogus_triplets"], "test_time_bn", "batch normalisation"),
        (["experiment=lightcurves_sim"], "coral", "real and bogus stamps"),
        (["experiment=ramp_anomalies"], "per_mission_norm", "real and bogus stamps"),
    ],
)
def test_what_a_network_does_not_take_is_refused(words: list[str], way: str, expected: str) -> None:
    config = plain(compose("train", [*words, "paths.run_dir=r", "paths.sweep_dir=s"]))
    with pytest.raises(UserError, match=expected):
        refuse_adaptation(config, ["none", way])
    refuse_adaptation(config, ["none"])


@pytest.mark.parametrize(("model", "taken"), [("braai_wide_bn", True), ("braai_wide", False), ("braai_vgg6", False)])
def test_batch_normalisation_is_what_one_way_asks_for(model: str, taken: bool) -> None:
    words = ["experiment=realbogus_triplets", f"model={model}", "paths.run_dir=r", "paths.sweep_dir=s"]
    config, ways = plain(compose("train", words)), ["none", "test_time_bn", "coral", "per_mission_norm"]
    refuse_adaptation(config, [way for way in ways if way != "test_time_bn"])
    with nullcontext() if taken else pytest.raises(UserError, match="batch normalisation"):
        refuse_adaptation(config, ways)
    assert ("BatchNorm" in repr(build(config["model"]["network"]))) is taken


def test_undefined_cells_are_empty_on_page_and_figure() -> None:
    numbers = ("value", "low", "high", "to_own", "to_own_low", "to_own_high", "won_back", "won_back_low")
    rows = [
        {"adapt": "none", "trained": one, "tested": other, "seed": 1, "name": "AUCPR", **dict.fromkeys(numbers)}
        for one in ("a", "b")
        for other in ("a", "b")
    ]
    table = pd.DataFrame(rows).assign(won_back_high=None)
    table.loc[0, "value"] = 0.5
    page = matrix_page(table, "mission", ["Words."], "x <y>")
    assert "x <y>" not in page and "undefined" in page and "0.500" in page
    assert len(heat_figure(table, "mission").axes) == 2
