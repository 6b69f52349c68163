"""Runs of one task on the samples that all of them tested: the worth of each, and paired differences of every pair."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.board.find import TEST, Run, read_run
from astrid_ml.build import build
from astrid_ml.checkpoint.predictions import read_predictions
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap, PairedDifference
from astrid_ml.evaluation.rankings import ComparesRankings, Ranking, binary_difference, binary_ranking
from astrid_ml.found import found

# What decides which metric judges a run, as its configuration names it.
DECIDES = ("_target_", "taxonomy", "headline", "evaluation.positive")
PAIR = ("difference", "low", "high")


@dataclass(frozen=True)
class TwoClasses:
    """Judge of tables that come without a configuration: AUCPR of ``score``.

    Args:
        bootstrap: of the paired intervals.
    """

    bootstrap: Bootstrap

    def ranking(self, predictions: pd.DataFrame, share: float | None = None) -> Ranking:
        """See :class:`astrid_ml.evaluation.rankings.ComparesRankings`."""
        return binary_ranking(predictions, 1, share, self.bootstrap.level)

    def ranking_difference(self, first: pd.DataFrame, second: pd.DataFrame) -> PairedDifference | None:
        """See :class:`astrid_ml.evaluation.rankings.ComparesRankings`."""
        return binary_difference(first, second, 1, self.bootstrap)


@dataclass(frozen=True)
class TestedRun:
    """A run and what it said of the common samples.

    Args:
        name: of its folder, as it was typed.
        run: its record and configuration; empty ones where the folder has predictions alone.
        table: labelled predictions, in one order for all runs.
        ranking: its worth on them.
    """

    name: str
    run: Run
    table: pd.DataFrame
    ranking: Ranking

    __test__ = False  # it is no test of pytest's


@dataclass(frozen=True)
class SideBySide:
    """What is known of some runs of one task.

    Args:
        runs: with their tables of the common samples; the first is what the others are compared with.
        judge: of all of them.
        samples: how many all of them tested.
        pairs: one row a pair: ``first, second, difference, low, high, why``; first less second.
    """

    runs: list[TestedRun]
    judge: Any
    samples: int
    pairs: pd.DataFrame

    @property
    def metric(self) -> str:
        """By which they are compared."""
        return self.runs[0].ranking.name

    def rows(self) -> pd.DataFrame:
        """One row a run: its worth with the interval, and its difference from the first."""
        out = []
        for one in self.runs:
            own = self.pairs[(self.pairs["first"] == one.name) & (self.pairs["second"] == self.runs[0].name)]
            worth: dict[str, Any] = {
                "value": one.ranking.value,
                "value_low": one.ranking.low,
                "value_high": one.ranking.high,
            }
            apart: dict[Any, Any] = own[list(PAIR)].iloc[0].to_dict() if len(own) else dict.fromkeys(PAIR)
            row: dict[str, Any] = {"run": one.name, "metric": self.metric}
            out.append(row | worth | apart)
        table = pd.DataFrame(out)
        return table.astype(dict.fromkeys(("value", "value_low", "value_high", *PAIR), "Float64"))


def side_by_side(names: Sequence[str], replicates: int, trust: Sequence[str] = ()) -> SideBySide:
    """Read runs and compare them.

    Args:
        names: folders of runs or evaluations; the first is what the others are compared with.
        replicates: of the bootstrap, where a judge draws groups.
        trust: names of classes beside the registered ones that a configuration may name.

    Raises:
        UserError: fewer than two runs, one without test predictions, of another task or of other truths, or no sample
            in common.
    """
    runs = {name: read_run(Path(name).expanduser()) for name in names}
    tables = {name: test_predictions(run) for name, run in runs.items()}
    places = {os.path.realpath(run.path) for run in runs.values()}
    if len(places) < max(2, len(names)):
        got, fix = ", ".join(map(str, names)), "name each run once, and two or more of them"
        raise UserError("runs=[RUN1,RUN2,...], at least two, each once", got, fix)
    judge = judge_of(list(runs.values()), replicates, trust)
    if isinstance(judge, TwoClasses):
        for name, table in tables.items():
            if "score" not in table or (len(table) and _empty(table["score"])):
                got, fix = f"no score in {runs[name].path}", "compare runs of astrid train, with their config.yaml"
                raise UserError("predictions of a run, or binary ones with the column score", got, fix)
    tables = common(tables)
    check_labels(tables)
    kept = [TestedRun(name, runs[name], table, judge.ranking(table)) for name, table in tables.items()]
    if kept[0].ranking.value is None:
        got, fix = "one class only, or none", "compare runs with larger test folds"
        raise UserError("both classes among the common samples, or several", got, fix)
    return SideBySide(kept, judge, kept[0].table["id"].nunique(), differences(kept, judge))


def test_predictions(run: Run) -> pd.DataFrame:
    """Labelled predictions of a run's test fold.

    Raises:
        UserError: there are none, or they do not name their samples.
    """
    path = run.predictions if run.predictions.is_file() else run.path / TEST
    if not path.is_file():
        raise UserError(
            f"a finished run with a test fold at {run.path}",
            f"{found(run.path)}, without predictions/test.parquet",
            "give a folder that astrid train left",
        )
    table = read_predictions(path)
    absent = [name for name in ("id", "group_id", "label") if name not in table or (len(table) and _empty(table[name]))]
    if absent:
        got, fix = f"no {', '.join(absent)} in {path}", "compare runs that were tested on labelled samples"
        raise UserError("predictions with id, group_id and label", got, fix)
    for name in ("id", "group_id"):
        if table[name].isna().any():
            got = f"{int(table[name].isna().sum())} rows of {path} without {name}"
            raise UserError("predictions that name their samples", got, "predict again, or repair the table")
    again = table.duplicated(keys(table))
    if again.any():
        twice = table["id"][again].unique()
        got = f"{len(twice)} ids more than once in {path} ({', '.join(map(str, twice[:3]))})"
        raise UserError("each sample once in a table of predictions", got, "compare runs that test each sample once")
    return table[table["label"].notna()]


test_predictions.__test__ = False  # type: ignore[attr-defined]  # nor is this


def _empty(column: pd.Series) -> bool:
    return bool(column.isna().all())


def keys(table: pd.DataFrame) -> list[str]:
    """Columns that name a row: the sample, and the window where it was seen at several."""
    return ["id", "days"] if "days" in table else ["id"]


def judge_of(runs: Sequence[Run], replicates: int, trust: Sequence[str]) -> Any:
    """The judge of the first configuration, with so many replicates.

    Raises:
        UserError: runs are judged by different metrics, or the judge compares nothing.
    """
    said = {run.path.name: run.tree["evaluation"] for run in runs if isinstance(run.tree.get("evaluation"), Mapping)}
    if not said:
        return TwoClasses(Bootstrap(replicates))
    kinds = {name: [_at(node, key) for key in DECIDES] for name, node in said.items()}
    first = next(iter(kinds))
    other = next((name for name, kind in kinds.items() if kind != kinds[first]), None)
    if other is not None:
        got = "; ".join(f"{name}: {', '.join(str(v) for v in kinds[name] if v is not None)}" for name in (first, other))
        raise UserError("runs that one metric judges", got, "compare runs of one task, with the same evaluation=")
    judge = build(with_replicates(said[first], replicates), list(trust))
    if not isinstance(judge, ComparesRankings):
        got = f"{type(judge).__name__}, which has no ranking"
        raise UserError("runs whose judge compares networks", got, "give it the methods ranking and ranking_difference")
    return judge


def _at(node: Any, key: str) -> Any:
    for name in key.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def with_replicates(node: Any, number: int) -> Any:
    """A judge's configuration whose bootstrap, wherever it stands, draws so often."""
    if not isinstance(node, Mapping):
        return node
    return {key: number if key == "replicates" else with_replicates(value, number) for key, value in node.items()}


def common(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The rows that all tables have, in one order.

    Raises:
        UserError: there are none.
    """
    rows = [pd.MultiIndex.from_frame(table[keys(table)].astype({"id": str})) for table in tables.values()]
    shared = rows[0]
    for other in rows[1:]:
        if other.nlevels != shared.nlevels:
            got, fix = "one table with windows of days, one without", "compare runs of one task"
            raise UserError("runs that tested the same samples", got, fix)
        shared = shared.intersection(other)
    if not len(shared):
        raise UserError("runs that tested the same samples", "none in common", "use the same dataset and split.seed")
    return {
        name: table[own.isin(shared)].sort_values(keys(table), kind="stable").reset_index(drop=True)
        for (name, table), own in zip(tables.items(), rows, strict=True)
    }


def check_labels(tables: Mapping[str, pd.DataFrame]) -> None:
    """Runs judged by different truths cannot be compared.

    Raises:
        UserError: labels differ between runs; the ids are named.
    """
    labels = pd.DataFrame({name: table["label"] for name, table in tables.items()})
    differing = next(iter(tables.values()))["id"][labels.nunique(axis=1) > 1].unique()
    if len(differing):
        got = f"{len(differing)} samples differ ({', '.join(map(str, differing[:3]))})"
        raise UserError("one label a sample in all runs", got, "compare runs on one labelled dataset")


def differences(runs: Sequence[TestedRun], judge: ComparesRankings) -> pd.DataFrame:
    """Each later run less each earlier one, with a paired interval, or the reason for none."""
    rows = []
    for before, after in combinations(runs, 2):
        apart = judge.ranking_difference(after.table, before.table)
        row: dict[str, Any] = {"first": after.name, "second": before.name, **dict.fromkeys(PAIR), "why": ""}
        if apart is None:
            row["why"] = "too few groups for an interval"
        else:
            row |= {"difference": apart.value, "low": apart.low, "high": apart.high}
        rows.append(row)
    return pd.DataFrame(rows).astype(dict.fromkeys(PAIR, "Float64"))


def of_common_samples(found: SideBySide) -> list[tuple[TestedRun, Any]]:
    """Each run with all that its judge says of the common samples; empty where the judge ranks alone."""
    if isinstance(found.judge, TwoClasses):
        return []
    results = [(one, found.judge.evaluate(one.table)) for one in found.runs]
    return [(replace(one, run=_measured(one.run, result.metrics)), result) for one, result in results]


def _measured(run: Run, metrics: Mapping[str, float | None]) -> Run:
    return replace(run, metrics={f"test/{name}": value for name, value in metrics.items()})
