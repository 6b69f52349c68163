"""Abilities: anything that scores can be judged, and a judge picks the samples that a reader wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.build import build, plain
from astrid_ml.checkpoint.score import score_source
from astrid_ml.config import compose
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import PicksSamples, Scorer
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.ramps.judge.judge import VoxelJudge, half_of
from astrid_ml.run.told.pictures import notable
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import Ints


@dataclass
class Trees:
    """Trees of another package, as a Scorer."""

    model: Any

    def score(self, source: SampleSource, rows: Ints | None = None) -> pd.DataFrame:
        rows = np.arange(len(source.index), dtype=np.int64) if rows is None else rows
        features = source.gather("stamps", rows).reshape(len(rows), -1)
        return pd.DataFrame({"row": rows, "score": self.model.predict_proba(features)[:, 1]})


class Pictures:
    """Draws a row as its number."""

    def draw(self, source: SampleSource, rows: Ints) -> list[bytes]:
        return [f"{row}".encode() for row in rows]


def samples(n: int = 200) -> MemorySource:
    random = np.random.default_rng(0)
    label = random.random(n) < 0.4
    stamps = random.normal(size=(n, 1, 3, 3)) + 2.0 * label[:, None, None, None]
    names = [f"s{i}" for i in range(n)]
    writer = MemoryUnitWriter()
    writer.add(pd.DataFrame({"id": names, "group_id": names, "label": label.astype(int)}), {"stamps": stamps})
    return writer.source()


def test_trees_of_another_package_are_scored_calibrated_and_judged_as_a_checkpoint_is() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    source = samples()
    features, label = source.gather("stamps", np.arange(200)).reshape(200, -1), source.index["label"].to_numpy()
    scorer: Scorer = Trees(HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(features[:100], label[:100]))
    judge = build(plain(compose("train", []).evaluation))
    validation = pd.concat([source.index, scorer.score(source).drop(columns="row")], axis=1).iloc[100:150]
    scored = score_source(scorer, judge, judge.fit(validation), source)
    assert list(scored["id"]) == list(source.index["id"])
    assert scored["decision"].iloc[150:].to_numpy() == pytest.approx(label[150:], abs=1)
    assert (scored["decision"].iloc[150:].to_numpy() == label[150:]).mean() > 0.9


def test_a_binary_judge_picks_the_surest_mistakes() -> None:
    judge = build(plain(compose("train", ["calibration=none", "threshold=fixed"]).evaluation))
    scores = np.array([0.9, 0.2, 0.8, 0.1, 0.55])
    label = [0, 0, 1, 1, 1]
    table = pd.DataFrame({"id": list("abcde"), "label": label, "score": scores, "index_row": range(5)})
    judged = judge.apply(table, {"kind": "none", "threshold": 0.5})
    assert isinstance(judge, PicksSamples)
    picked = {heading: list(rows["id"]) for heading, rows in judge.notable(judged, 2).items()}
    assert list(picked.values()) == [["a"], ["d"], ["e", "b"]]
    shown = notable(judge, judged, samples(5), Pictures(), 2)
    assert shown["Nearest to the threshold"][0].png == b"4"
    assert shown["Nearest to the threshold"][0].caption == "e; real, score 0.550"


def test_a_hierarchical_judge_knows_a_vague_answer_from_a_wrong_one() -> None:
    judge = HierarchicalJudge("elasticc2", headline="leaf/macro_f1/64d")
    tree = load_taxonomy("elasticc2")
    leaf = tree.leaves[0]
    above = tree.nodes[int(tree.parent[tree.position[leaf]])]
    other = next(name for name in tree.leaves if tree.parent[tree.position[name]] != tree.position[above])
    called = [leaf, above, other, other]
    table = pd.DataFrame({"id": list("abcd"), "label": leaf, "class": called, "days": [64.0, 64.0, 64.0, 8.0]})
    table = table.assign(probability=[0.9, 0.8, 0.7, 0.99], entropy=[0.1, 0.5, 0.3, 0.9], index_row=[0, 1, 2, 3])
    picked = {heading: list(rows["id"]) for heading, rows in judge.notable(table, 2).items()}
    assert list(picked.values()) == [["c"], ["b", "c"]]
    assert judge.notable(table, 2)["The model knows least"]["caption"].iloc[0].endswith("0.800 at 64 d")


def test_a_voxel_judge_counts_what_is_missed_and_what_is_false() -> None:
    histogram = np.array([1, 2, 4, 8])
    assert (half_of(histogram, above=False), half_of(histogram, above=True)) == (3.0, 12.0)
    empty, low, high = np.zeros(4), np.array([0, 7, 0, 0]), np.array([0, 0, 5, 0])
    columns: dict[str, list[Any]] = {"id": list("abc"), "index_row": [0, 1, 2]}
    for name in ("cosmic_ray", "telegraph_noise", "snowball"):
        columns[f"{name}_true"] = [low if name == "snowball" else empty, high, empty]
        columns[f"{name}_false"] = [empty, empty, high]
    table = pd.DataFrame(columns)
    picked = VoxelJudge().notable(table, 5)
    assert {heading: list(rows["id"]) for heading, rows in picked.items()} == {
        "Tiles with the most missed voxels": ["a"],
        "Tiles with the most false alarms": ["c"],
    }
    assert (
        picked["Tiles with the most missed voxels"]["caption"].iloc[0] == "a; 7 of 7 anomalous voxels missed, 0 false"
    )
