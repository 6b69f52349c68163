"""Runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from made.runs import small_run
from sklearn.metrics import average_precision_score

from astrid_ml.build import build
from astrid_ml.commands.compare import CompareCommand
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.run.comparison.side_by_side import side_by_side, with_replicates
from astrid_ml.run.comparison.side_page import short_names, side_figure, verdict
from astrid_ml.taxonomy import load_taxonomy


def run_folder(folder: Path, noise: float, flip: bool = False, drop: int = 0, score: str = "score") -> Path:
    random = np.random.default_rng(0)
    label = (random.random(800) < 0.2).astype(float)
    values = 1 / (1 + np.exp(-(2 * label - 1 + np.random.default_rng(int(noise * 10)).normal(0, noise, 800))))
    table = pd.DataFrame({"id": np.arange(800).astype(str), "group_id": (np.arange(800) // 2).astype(str)})
    table["label"], table[score] = 1 - label if flip else label, values
    (folder / "predictions").mkdir(parents=True)
    table.iloc[drop:].to_parquet(folder / "predictions" / "test.parquet")
    return folder


def test_the_better_run_is_told_from_the_worse(tmp_path: Path) -> None:
    good, bad = run_folder(tmp_path / "good", 0.8), run_folder(tmp_path / "bad", 2.0, drop=10)
    out = tmp_path / "out"
    summary = CompareCommand([str(good), str(bad)], str(out), 200).run()
    table = pd.read_parquet(out / "compare.parquet")
    truth = pd.read_parquet(bad / "predictions" / "test.parquet")
    assert summary["samples"] == 790
    assert table["value"].iloc[1] == pytest.approx(average_precision_score(truth["label"], truth["score"]), abs=1e-9)
    assert table["difference"].iloc[1] == pytest.approx(table["value"].iloc[1] - table["value"].iloc[0], abs=1e-9)
    assert table["low"].iloc[1] < table["difference"].iloc[1] < table["high"].iloc[1] < 0
    assert pd.isna(table["difference"].iloc[0])
    assert (out / "compare.png").stat().st_size > 5000
    files = ["compare.html", "compare.json", "compare.parquet", "compare.png", "pairs.parquet"]
    assert sorted(path.name for path in out.iterdir()) == files and set(table["metric"]) == {"AUCPR"}
    assert (table["value_low"] < table["value"]).all() and (table["value"] < table["value_high"]).all()
    page = (out / "compare.html").read_text()
    assert "On 790 samples in 395 groups" in page and "bad: lower (" in page and "<svg" in page
    assert "<a href" not in page.split("<main")[1]  # these folders hold no report


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", 1.0)
    others = {
        "differ": run_folder(tmp_path / "flipped", 1.0, flip=True),
        "no score": run_folder(tmp_path / "levels", 1.0, score="p_supernova"),
        "none in common": run_folder(tmp_path / "empty", 1.0, drop=800),
        "without predictions": tmp_path,
    }
    for message, other in others.items():
        with pytest.raises(UserError, match=message):
            CompareCommand([str(one), str(other)], str(tmp_path / "out")).run()
    with pytest.raises(UserError, match="at least two"):
        CompareCommand([str(one)], str(tmp_path / "out")).run()
    assert not (tmp_path / "out").exists()


def test_a_page_leads_to_reports_and_says_what_differs(tmp_path: Path) -> None:
    runs = [small_run(tmp_path / "a b" / f"net{k}", seed=k, lr=0.001 * k) for k in (1, 2, 3)]
    out = tmp_path / "out"
    summary = CompareCommand(list(map(str, runs)), str(out), 100).run()
    page = Path(summary["report"]).read_text()
    for run in runs:
        assert f'<a href="./../a%20b/{run.name}/report.html">{run.name}</a>' in page
    pairs = pd.read_parquet(out / "pairs.parquet")
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == [
        (str(runs[k]), str(runs[j])) for j, k in ((0, 1), (0, 2), (1, 2))
    ]
    # Differences add up, whatever their intervals.
    d = pairs["difference"].tolist()
    assert d[1] - d[0] == pytest.approx(d[2], abs=1e-12)
    for heading in ("Runs", "Curves", "Other metrics", "What differs", "Samples they disagree on"):
        assert f">{heading}</h2>" in page
    assert "optimizer.lr" in page and "0.003" in page and "recall" in page


def test_names_are_short_where_that_tells_runs_apart_and_an_interval_that_holds_0_decides_nothing(
    tmp_path: Path,
) -> None:
    runs = [small_run(tmp_path / place, seed=k) for k, place in enumerate(("a/net", "b/net", "b/other"), 1)]
    found = side_by_side(list(map(str, runs)), 20)
    assert short_names(found.runs) == [str(runs[0]), str(runs[1]), "other"]
    ends = [(0.01, 0.2), (-0.2, -0.01), (-0.1, 0.1), (None, None)]
    said = [verdict({"difference": 0.1, "low": low, "high": high}) for low, high in ends]
    assert said == ["higher", "lower", "not told apart", "not known"]
    drawn = side_figure(found).axes
    assert len(drawn) == 3 and [line.get_label() for line in drawn[2].lines] == short_names(found.runs)


def test_runs_of_other_judges_are_refused_and_replicates_reach_the_judge(tmp_path: Path) -> None:
    one, two = (small_run(tmp_path / name, seed=k) for k, name in enumerate(("one", "two"), 1))
    config = yaml.safe_load((two / "config.yaml").read_text())
    config["evaluation"]["evaluation"]["positive"] = 0
    (two / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="one metric judges"):
        CompareCommand([str(one), str(two)], str(tmp_path / "out")).run()
    config["evaluation"] = {"_target_": "mine.Judge"}
    for run in (one, two):
        (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match=r"mine\.Judge"):
        CompareCommand([str(one), str(two)], str(tmp_path / "out")).run()
    node = {"a": {"_target_": "x", "bootstrap": {"replicates": 50, "seed": 1}}, "replicates": 2}
    assert with_replicates(node, 7) == {
        "a": {"_target_": "x", "bootstrap": {"replicates": 7, "seed": 1}}, "replicates": 7
    }  # fmt: skip


BOOTSTRAP = {"_target_": "astrid_ml.evaluation.bootstrap.Bootstrap", "replicates": 20}


def left_by(folder: Path, table: pd.DataFrame, judge: dict[str, Any]) -> Path:
    """What a training leaves of its predictions and its configuration."""
    (folder / "predictions").mkdir(parents=True)
    table.to_parquet(folder / "predictions" / "test.parquet", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump({"evaluation": judge, "seed": len(folder.name)}))
    (folder / "run.json").write_text('{"status": "done"}')
    (folder / "metrics.json").write_text("{}")
    return folder


def curves_run(folder: Path, sure: float) -> Path:
    """A run on light curves: 90 objects at two windows, the later one better known."""
    tree = load_taxonomy("supernnova")
    leaves, random, parts = tree.level_nodes(tree.n_levels), np.random.default_rng(3), []
    at = np.arange(90) % len(leaves)
    below = np.array([[tree.ancestors[leaf, node] for leaf in leaves] for node in range(len(tree.nodes))])
    for days in (4.0, 64.0):
        logits = random.normal(0, 1, (90, len(leaves))) + sure * np.log2(days) * np.eye(len(leaves))[at]
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        known = share @ below.T
        columns = {f"{kind}_{node}": known[:, k] for k, node in enumerate(tree.nodes) for kind in ("p", "score")}
        names = [f"o{k}" for k in range(90)]
        label = [tree.nodes[leaves[k]] for k in at]
        parts.append(pd.DataFrame({"id": names, "group_id": names, "label": label, "days": days, **columns}))
    judge = {
        "_target_": "astrid_ml.evaluation.tree.hierarchical.HierarchicalJudge",
        "taxonomy": "supernnova",
        "bootstrap": BOOTSTRAP,
    }
    return left_by(folder, pd.concat(parts), judge)


def test_runs_on_light_curves_are_compared_window_by_window(tmp_path: Path) -> None:
    runs = [curves_run(tmp_path / name, sure) for name, sure in (("good", 0.6), ("poor", 0.1))]
    CompareCommand(list(map(str, runs)), str(tmp_path / "out"), 40).run()
    table = pd.read_parquet(tmp_path / "out" / "compare.parquet")
    assert table["metric"].tolist() == ["macro-AUCPR of the leaves, 64 days"] * 2 and table["high"].iloc[1] < 0
    judge = build(yaml.safe_load((runs[0] / "config.yaml").read_text())["evaluation"])
    own = [judge.ranking(pd.read_parquet(run / "predictions" / "test.parquet")).value for run in runs]
    assert table["value"].tolist() == pytest.approx(own)
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "On 90 samples in 90 groups" in page and "poor: lower (" in page
    assert "By window" in page and page.count("window by window") == 2 and ">Curves</h2>" not in page


def ramps_run(folder: Path, shift: int) -> Path:
    """A run on ramps: 20 tiles of 10 exposures, with histograms of the scores of voxels."""
    random, rows = np.random.default_rng(1), []
    for number in range(20):
        row: dict[str, Any] = {"id": str(number), "group_id": f"exposure {number // 2}", "label": 1}
        for name in ANOMALIES:
            true = random.poisson(3.0, 8) + shift * np.arange(8)
            row |= {f"{name}_true": true, f"{name}_false": random.poisson(40.0, 8)[::-1]}
        rows.append(row)
    judge = {"_target_": "astrid_ml.preprocessing.ramps.judge.judge.VoxelJudge", "replicates": 30}
    return left_by(folder, pd.DataFrame(rows), judge)


def test_runs_on_ramps_are_compared_by_class(tmp_path: Path) -> None:
    runs = [ramps_run(tmp_path / name, shift) for name, shift in (("plain", 0), ("sharper", 4))]
    CompareCommand(list(map(str, runs)), str(tmp_path / "out"), 40).run()
    table = pd.read_parquet(tmp_path / "out" / "compare.parquet")
    assert set(table["metric"]) == {"mean AUCPR of voxels over classes"} and table["low"].iloc[1] > 0
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "sharper: higher (" in page and all(f"AUCPR of {name.replace('_', ' ')}" in page for name in ANOMALIES)
    with pytest.raises(UserError, match="one metric judges"):
        CompareCommand([str(runs[0]), str(small_run(tmp_path / "stamps"))], str(tmp_path / "no")).run()
