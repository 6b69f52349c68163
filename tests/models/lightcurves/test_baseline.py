"""The feature baseline: features against plain numbers, trees on a made-up run, its refusals."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.models.baseline.extractors import (
    SIMPLE,
    Extractors,
    bands_of,
    curve_features,
    feature_names,
    full_set,
    pairs,
)
from astrid_ml.models.baseline.features import FeatureTable
from astrid_ml.models.baseline.trees import Settings, fit_trees, node_probabilities, validation_loss
from astrid_ml.models.commands.baseline import BaselineCommand, chosen_days, headline_window
from astrid_ml.taxonomy import load_taxonomy


class Means:
    """Stands for the package in tests of what lies around it: two features of a curve."""

    names = ("mean", "points")

    def many(self, curves: list[Any], **_: Any) -> np.ndarray:
        return np.array([[float(np.mean(flux)), float(len(flux))] for _, flux, _ in curves])


def curves() -> tuple[np.ndarray, np.ndarray]:
    """Two objects in two bands: (N, 5) epochs and offsets."""
    first = [[0, 10, 1, 1, 0.4827], [1, 30, 1, 1, 0.6223], [2, 20, 2, 0, 0.4827], [9, 99, 1, 1, 0.6223]]
    second = [[0, 5, 1, 1, 0.6223]]
    return np.array(first + second, dtype=np.float32), np.array([0, 4, 5])


def test_features_see_the_asked_epochs_band_by_band() -> None:
    epochs, offsets = curves()
    bands = bands_of(epochs[:, 4])
    assert bands.tolist() == [0.483, 0.622]
    extractor = Extractors(Means(), Means(), Means.names)
    x = curve_features(epochs, offsets, np.array([3, 1]), bands, extractor)
    names = feature_names(bands, extractor)
    assert x.shape == (2, len(names))
    row = dict(zip(names, x[0].tolist(), strict=True))
    assert (row["mean@all"], row["points@all"]) == (20, 3)  # the fourth epoch is not seen
    assert (row["mean@0.483"], row["maximum@0.483"], row["last@0.483"]) == (15, 20, 20)
    assert (row["time_of_maximum@0.483"], row["detections@0.483"], row["largest_snr@0.483"]) == (2, 1, 10)
    assert row["colour_maximum@0.483-0.622"] == pytest.approx(-2.5 / np.log(10) * (np.arcsinh(1.0) - np.arcsinh(1.5)))
    other = dict(zip(names, x[1].tolist(), strict=True))
    assert np.isnan(other["mean@0.483"])
    assert np.isnan(other["colour_mean@0.483-0.622"])
    assert other["mean@0.622"] == 5
    assert pairs(np.array([1.0, 2.0, 3.0])) == [(1.0, 2.0), (2.0, 3.0), (1.0, 3.0)]


def test_the_full_set_is_there_or_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("light_curve") is not None:
        extractor = full_set()
        epochs, offsets = curves()
        x = curve_features(epochs, offsets, np.array([4, 1]), np.array([0.483, 0.622]), extractor)
        row = dict(zip(feature_names(np.array([0.483, 0.622]), extractor), x[0].tolist(), strict=True))
        assert len(extractor.names) > 60
        assert row["mean@all"] == pytest.approx(39.75)
        assert row["amplitude@all"] == pytest.approx((99 - 10) / 2)
        weights = 1 / epochs[:4, 2].astype(np.float64) ** 2
        assert row["weighted_mean@all"] == pytest.approx(float((epochs[:4, 1] * weights).sum() / weights.sum()))
    monkeypatch.setitem(sys.modules, "light_curve", None)
    with pytest.raises(UserError, match="light-curve"):
        full_set()


def table(n: int = 240) -> tuple[FeatureTable, np.ndarray]:
    """Three leaves of the tree ``bts`` that one feature tells apart; one feature that nobody has."""
    tree = load_taxonomy("bts")
    random = np.random.default_rng(0)
    nodes = np.array([tree.position[name] for name in ("SN-Ia", "SN-II", "AGN")])[np.arange(n) % 3]
    x = random.normal(0, 0.2, (n, 2, 4)).astype(np.float32)
    x[:, 1, 0] += nodes
    x[:, :, 3] = np.nan
    return FeatureTable(np.arange(n), (4.0, 64.0), x), nodes


def test_trees_learn_leaves_and_answer_for_every_node() -> None:
    features, nodes = table()
    tree = load_taxonomy("bts")
    rows = {"train": np.arange(120), "val": np.arange(120, 180), "test": np.arange(180, 240)}
    nodes[:6] = tree.position["Transient"]  # labelled at an inner node: left out of the fit
    losses = []
    for window in range(2):
        trees = fit_trees(features, rows, nodes, window, Settings(min_samples_leaf=5, max_features=1.0), tree, 40, 1)
        losses.append(validation_loss(trees, features.at(rows["val"], window), nodes[rows["val"]]))
        p = node_probabilities(trees, features.at(rows["test"], window), tree)
        assert np.allclose(p[:, 0], 1)
        for group in tree.sibling_groups:
            assert np.allclose(p[:, list(group)].sum(axis=1), p[:, tree.parent[group[0]]])
    assert losses[1] < 0.5 < losses[0]  # the second window's feature tells
    assert not trees.columns[3]
    truth = nodes[rows["test"]]
    leaves = [tree.position[name] for name in tree.leaves]
    assert np.mean(np.array(leaves)[p[:, leaves].argmax(axis=1)] == truth) > 0.8


def test_configurations_are_seeded_and_windows_are_the_runs_own() -> None:
    drawn = [Settings.drawn(np.random.default_rng(3)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert Settings.drawn(np.random.default_rng(4)) != drawn[0]
    assert headline_window("leaf/macro_f1/64d", (4.0, 64.0, 128.0)) == 1
    assert headline_window("leaf/macro_f1/32d", (4.0, 64.0)) == 1
    assert chosen_days([1.0, 64.0], []) == [1.0, 64.0]
    assert chosen_days([1.0, 64.0], [64]) == [64.0]
    with pytest.raises(UserError, match="windows"):
        chosen_days([1.0, 64.0], [3])


def test_only_a_finished_light_curve_run_has_a_baseline(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="finished run"):
        BaselineCommand(str(tmp_path)).run()
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "test.parquet").write_bytes(b"")
    (tmp_path / "config.yaml").write_text("name: x\n")
    (tmp_path / "run.json").write_text('{"dataset": {"domain": "ramps"}}')
    with pytest.raises(UserError, match="light curves"):
        BaselineCommand(str(tmp_path)).run()
    assert len(SIMPLE) == 7
