"""Curves of one run, paired differences of several, and the samples that they disagree on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made.runs import small_run

from astrid_ml.board.curves import curves_of, detail_of, lineage, parent_of
from astrid_ml.board.find import Run, read_run
from astrid_ml.board.pairs import best_of, compare
from astrid_ml.evaluation.bootstrap import Bootstrap, paired
from astrid_ml.metrics.binary import average_precision


def table(run: Run) -> pd.DataFrame:
    return pd.read_parquet(run.predictions)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    return [read_run(small_run(tmp_path / str(seed), seed=seed, lr=0.001 * seed)) for seed in (1, 2, 3)]


def test_the_area_under_the_curve_is_the_average_precision(runs: list[Run]) -> None:
    curves, why = curves_of(runs[0])
    assert why == "" and {len(curve) for curve in curves.values()} == {2}
    recall, precision = map(np.array, curves["pr"])
    area = float((np.diff(recall) * precision[1:]).sum())
    predicted = table(runs[0])
    assert area == pytest.approx(average_precision(predicted["score"], predicted["label"]), abs=2e-3)
    assert max(map(len, curves["pr"])) <= 163 and curves["roc"][1][-1] == 1.0
    assert len(curves["reliability"][0]) == 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(label=0), "no positive"),
        (lambda t: t.assign(score=np.nan), "two classes"),
        (lambda t: t.assign(label="SNIa"), "two classes"),
        (lambda t: t.iloc[:0], "two classes"),
        (lambda t: t.drop(columns="score"), "score"),
        (lambda t: t.assign(label=2), "labels of 0 and 1"),
    ],
)
def test_a_run_without_curves_says_why(change: object, said: str, runs: list[Run]) -> None:
    assert callable(change)
    change(table(runs[0])).to_parquet(runs[0].predictions)
    curves, why = curves_of(runs[0])
    assert curves == {} and said in why


def test_no_predictions_and_damaged_ones(runs: list[Run]) -> None:
    runs[0].predictions.write_bytes(b"PAR1 and no more")
    assert curves_of(runs[0])[0] == {} and curves_of(runs[0])[1]
    runs[0].predictions.unlink()
    assert curves_of(runs[0]) == ({}, "no predictions of test samples")
    assert detail_of(runs[0])["config"]["optimizer.lr"] == 0.001


def test_where_bogus_are_the_rare_class_the_curve_is_theirs(runs: list[Run]) -> None:
    flipped = table(runs[0]).assign(label=lambda t: 1 - t["label"], score=lambda t: 1 - t["score"])
    plain = curves_of(runs[0])[0]["pr"]
    flipped.assign(probability=flipped["score"]).to_parquet(runs[0].predictions)
    rare = dataclasses.replace(runs[0], config={**runs[0].config, "evaluation.evaluation.positive": 0})
    assert np.allclose(curves_of(rare)[0]["pr"], plain, atol=2e-3)


def test_lineage_holds_what_the_record_says(runs: list[Run]) -> None:
    found = lineage(runs[0])
    assert found["fingerprint of the dataset"] == "f00d" * 16 and found["split"] == "group beef01234567"
    assert found["code"] == "astrid-ml 0.1.0" and found["began"] == "2026-11-29 12:00:00" and found["typed"] == "seed=1"
    assert "parent" not in found
    judged = dataclasses.replace(runs[0], record={"checkpoint": {"path": "a/best.ckpt"}})
    assert parent_of(judged) == "a/best.ckpt" and lineage(judged)["parent"] == "a/best.ckpt"
    odd = dataclasses.replace(runs[0], record={key: [3] for key in ("versions", "seeds", "dataset", "overrides")})
    assert lineage(odd) == {"folder": str(runs[0].path), "typed": "3"}


def test_differences_are_those_of_the_paired_bootstrap(runs: list[Run]) -> None:
    found = compare(runs)
    assert found.samples == 120 and found.title == "AUCPR" and len(found.differences) == 3
    a, b = (table(run).sort_values("id") for run in (runs[0], runs[2]))
    own = paired(a["score"], b["score"], a["label"], a["group_id"], Bootstrap(50))
    assert own is not None
    assert found.differences[f"{runs[0].key}|{runs[2].key}"] == pytest.approx([own.value, own.low, own.high], abs=1e-4)


def test_samples_that_runs_disagree_on_come_with_each_probability(runs: list[Run]) -> None:
    found = compare(runs)
    assert len(found.disagreed) == 20 and "not at hand" in found.words
    spreads = [max(one["p"].values()) - min(one["p"].values()) for one in found.disagreed]
    assert spreads == sorted(spreads, reverse=True) and "png" not in found.disagreed[0]
    first = found.disagreed[0]
    for run in runs:
        assert first["p"][run.key] == pytest.approx(
            table(run).set_index("id").loc[first["id"], "probability"], rel=1e-4
        )


def test_only_common_samples_count_and_what_cannot_be_read_says_why(runs: list[Run]) -> None:
    table(runs[0]).iloc[:90].to_parquet(runs[0].predictions)
    table(runs[1]).drop(columns="label").to_parquet(runs[1].predictions)
    found = compare(runs)
    assert found.samples == 90 and "no label" in found.why[runs[1].key] and len(found.differences) == 1
    table(runs[0]).assign(id=lambda t: "x" + t["id"]).to_parquet(runs[0].predictions)
    assert compare(runs).why[""] == "no test sample that all of them have" and compare(runs).differences == {}
    runs[0].predictions.write_bytes(b"")
    assert compare(runs).differences == {} and runs[0].key in compare(runs).why


def test_few_groups_and_a_judge_that_cannot_be_made_say_so(runs: list[Run]) -> None:
    for run in runs:
        table(run).iloc[:8].to_parquet(run.predictions)
    assert all("too few groups" in why for why in compare(runs).why.values()) and compare(runs).why
    broken = [dataclasses.replace(run, tree={"evaluation": {"_target_": "os.system"}}) for run in runs]
    assert "cannot be made" in compare(broken).why[""]


def test_the_best_few_of_each_set_are_compared() -> None:
    rows = [{"id": f"r{k}", "task": 0, "set": "A", "rank": k + 1} for k in (3, 0, 1, 2)]
    rows += [{"id": "alone", "task": 0, "set": "B", "rank": 1}, {"id": "no", "task": 0, "set": "A", "rank": None}]
    assert best_of(rows, 3) == {(0, "A"): ["r0", "r1", "r2"]}
    assert best_of(rows, 0) == {}
