"""What a sweep's page says: which job is highest, that a choice on test spends it, and what missions lose."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.report.sweep_page import best_job, cross_missions, headline_of, sweep_page, table


def jobs_of(*columns: Mapping[str, Any]) -> pd.DataFrame:
    """Finished jobs: name -> one value each."""
    named = {name: values for part in columns for name, values in part.items()}
    n = len(next(iter(named.values())))
    return pd.DataFrame({"job": [str(i) for i in range(n)], "status": "done", "reason": None, **named})


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["val/aucpr", "test/aucpr"], "test/aucpr"),
        (["val/aucpr", "test/f1"], "val/aucpr"),  # f1 has no interval: nothing to judge by
        (["val/aucpr", "test/leaf/f1", "test/leaf/f1_low"], "test/leaf/f1"),
        (["val/leaf/f1", "val/leaf/f1_low"], "val/leaf/f1"),
        (["data/completeness"], None),
    ],
)
def test_the_headline_is_the_test_folds_where_there_is_one(columns: list[str], expected: str | None) -> None:
    assert headline_of(jobs_of({name: [0.5] for name in columns})) == expected


def test_a_headline_that_no_job_has_is_passed_over() -> None:
    assert headline_of(jobs_of({"test/aucpr": [None, None], "val/aucpr": [0.5, None]})) == "val/aucpr"


def test_the_highest_is_named_with_what_was_swept_and_a_warning_on_test_alone() -> None:
    columns = {"seed": [1, 2, 3], "optimizer.lr": [0.1, 0.01, 0.001]}
    said = best_job(jobs_of(columns, {"test/aucpr": [0.5, 0.9, None]}), ["seed", "optimizer.lr"])
    assert said.startswith("The highest test/aucpr is 0.900, job 1 (seed=2, optimizer.lr=0.01).")
    assert "spends the test" in said
    said = best_job(jobs_of(columns, {"val/aucpr": [0.5, 0.9, 0.1]}), ["seed"])
    assert said == "The highest val/aucpr is 0.900, job 1 (seed=2)."


@pytest.mark.parametrize("keys", [["split.held_out"], ["split"]])
def test_jobs_tested_on_different_samples_have_no_best(keys: list[str]) -> None:
    assert best_job(jobs_of({keys[0]: ["a", "b"], "test/aucpr": [0.5, 0.9]}), keys) == ""
    assert best_job(jobs_of({"seed": [1, 2], "test/aucpr": [0.5, None]}), ["seed"]) == ""


def test_the_table_draws_an_interval_for_each_job_that_has_one(shown: Callable[[Any], str], tmp_path: Path) -> None:
    columns = {
        "test/aucpr": [0.5, 0.9, None],
        "test/aucpr_low": [0.42, 0.8, None],
        "test/aucpr_high": [0.6, 0.95, None],
    }
    others = {"test/baseline_trees_aucpr": [0.2, 0.3, None], "val/aucpr": [0.7, 0.8, None]}
    jobs = jobs_of({"seed": [1, 2, 3]}, columns, others)
    jobs.loc[2, "status"] = "failed"
    page = shown(table(jobs, ["seed"], tmp_path))
    assert page.count('class="whisker"') == 2
    assert 'aria-label="0.500, 0.420 to 0.600"' in page
    heads = re.findall(r"<th[^>]*>(?:<button[^>]*>)?([^<]+)", page)
    assert heads[:3] == ["job", "status", "seed"]
    assert {"AUCPR, held out", "95 % interval", "0.4 to 1", "boosted trees", "AUCPR, validation"} <= set(heads)
    assert len(re.findall(r'<tr[^>]*class="?failed', page)) == 1
    assert "nan" not in page.lower()


def test_across_missions_jobs_that_differ_in_something_else_are_averaged() -> None:
    columns = {"split.held_out": ["none", "ZTF", "none", "PS1"], "test/aucpr": [0.9, 0.6, 0.7, 0.5]}
    per = {"test/aucpr/ZTF": [0.8, 0.6, 0.6, None], "test/aucpr/PS1": [0.9, None, 0.8, 0.5]}
    low = {"test/aucpr/ZTF_low": [0.1] * 4}
    jobs = jobs_of(columns, per, low)
    jobs.loc[4] = ["4", "failed", "why", "GALEX", *[None] * 4]
    matrix = cross_missions(jobs)
    assert matrix is not None
    assert list(matrix.columns) == ["ZTF", "PS1"]
    expected = {"none": [0.7, 0.85], "ZTF": [0.6, np.nan], "PS1": [np.nan, 0.5]}
    assert matrix.index.tolist() == list(expected)
    assert matrix.to_numpy() == pytest.approx(np.array(list(expected.values())), nan_ok=True)
    assert cross_missions(jobs_of({"split.held_out": ["none", "none"], "test/aucpr/ZTF": [0.8, 0.7]})) is None
    assert cross_missions(jobs_of({"seed": [1, 2], "test/aucpr/ZTF": [0.8, 0.7]})) is None


def test_failed_jobs_are_told_with_their_reason_and_nothing_is_left_unescaped(tmp_path: Path) -> None:
    jobs = jobs_of({"a<b": ["<i>", "x"], "test/aucpr": [0.5, None]})
    jobs.loc[1, ["status", "reason"]] = ["failed", "UserError: <b>"]
    page = sweep_page(tmp_path / "<s>", jobs, ["a<b"])
    assert "2 jobs, 1 done, 1 not." in page
    assert "Job 1 failed: UserError: &lt;b&gt;" in page
    assert not re.search(r"<[is]>|<b>UserError|UserError: <b>|a<b", page)
    assert "Across missions" not in page
