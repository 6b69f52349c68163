"""Runs that were tested on the same samples: differences with paired intervals, and samples that they disagree on."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.board.find import Run
from astrid_ml.board.tasks import number
from astrid_ml.build import build
from astrid_ml.checkpoint.predictions import read_predictions
from astrid_ml.contracts.scoring import Draws
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import FEWEST_GROUPS
from astrid_ml.evaluation.rankings import ComparesRankings
from astrid_ml.reasons import shortened

SAMPLES = 20  # that runs disagree on
MISTAKES = (UserError, ValueError, OSError, KeyError, TypeError, IndexError, AttributeError, RuntimeError)


@dataclass(frozen=True)
class ComparedRuns:
    """The best few runs of one set of samples.

    Args:
        title: the metric of the differences.
        samples: that all of them tested.
        differences: ``a|b`` -> first less second, and the ends of its interval.
        why: ``a|b``, or a run -> why there is none.
        disagreed: samples, those of the largest spread first: ``id``, ``label``, ``p`` (run -> probability), ``png``.
        words: of the samples: what was ranked, and why none is drawn.
    """

    title: str = ""
    samples: int = 0
    differences: dict[str, list[float | None]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    disagreed: list[dict[str, Any]] = field(default_factory=list)
    words: str = ""


def best_of(rows: Sequence[Mapping[str, Any]], most: int) -> dict[tuple[int, str], list[str]]:
    """The runs that are compared: (task, letter of the samples) -> the best by validation, where there are two.

    Args:
        rows: of the board, with their ranks.
        most: runs of one set.
    """
    sets: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("rank"):
            sets.setdefault((row["task"], row["set"]), []).append(row)
    largest = sorted(sets.items(), key=lambda item: -len(item[1]))
    best = {key: sorted(some, key=lambda row: row["rank"])[:most] for key, some in largest}
    return {key: [row["id"] for row in some] for key, some in best.items() if len(some) > 1}


def compare(runs: Sequence[Run], draw: bool = True) -> ComparedRuns:
    """Compare runs on the test samples that all of them have.

    Args:
        runs: of one task and one set of samples.
        draw: the samples that they disagree on.
    """
    why: dict[str, str] = {}
    tables: dict[str, pd.DataFrame] = {}
    for run in runs:
        try:
            tables[run.key] = _predictions(run)
        except MISTAKES as error:
            why[run.key] = f"{run.path.name}: {_words(error)}"
    tables, samples = _common(tables)
    if len(tables) < 2 or not samples:
        return ComparedRuns(why=why | ({"": "no test sample that all of them have"} if len(tables) > 1 else {}))
    disagreed, words = disagreements(tables, runs if draw else [])
    try:
        judge = _built(runs[0], "evaluation")
        title = judge.ranking(next(iter(tables.values()))).name if isinstance(judge, ComparesRankings) else ""
    except MISTAKES as error:
        why[""] = f"its judge cannot be made: {_words(error)}"
        return ComparedRuns("", samples, {}, why, disagreed, words)
    differences: dict[str, list[float | None]] = {}
    for a, b in combinations(tables, 2) if title else ():
        try:
            found = judge.ranking_difference(tables[a], tables[b])
            if found is None:
                why[f"{a}|{b}"] = f"too few groups: at least {FEWEST_GROUPS} of each class are needed"
            else:
                differences[f"{a}|{b}"] = [number(v) for v in (found.value, found.low, found.high)]
        except MISTAKES as error:
            why[f"{a}|{b}"] = _words(error)
    return ComparedRuns(title, samples, differences, why, disagreed, words)


def _built(run: Run, part: str) -> Any:
    """A part of a run's configuration. A run that came from elsewhere names no class that is trusted."""
    return build(run.tree[part])


def _predictions(run: Run) -> pd.DataFrame:
    table = read_predictions(run.predictions)
    if "label" not in table or "group_id" not in table:
        raise ValueError("its predictions hold no label or no group_id")
    table = table[table["label"].notna()]
    return table.reset_index(drop=True)


def _common(tables: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], int]:
    """The rows of samples that all tables hold, by id."""
    ids = [set(table["id"]) for table in tables.values()]
    common = set.intersection(*ids) if ids else set()
    kept = {key: table[table["id"].isin(common)].reset_index(drop=True) for key, table in tables.items()}
    return kept, len(common)


def disagreements(tables: Mapping[str, pd.DataFrame], runs: Sequence[Run]) -> tuple[list[dict[str, Any]], str]:
    """Samples on which the largest and the smallest probability lie farthest apart.

    Args:
        tables: run -> its predictions of the common samples.
        runs: among which the datamodule and the dataset are found that draw the samples; none: they are not drawn.

    Returns:
        The samples, and what is to be said of them.
    """
    column = "probability" if all(table["probability"].notna().all() for table in tables.values()) else "score"
    try:
        values = {key: _of_sample(table)[column].astype(float) for key, table in tables.items()}
    except (TypeError, ValueError) as error:
        return [], f"their scores cannot be set side by side: {_words(error)}"
    wide = pd.DataFrame(values)
    wide = wide[wide.notna().all(axis=1)]
    spread = (wide.max(axis=1) - wide.min(axis=1)).sort_values(ascending=False, kind="stable")
    chosen = spread[spread > 0].index[:SAMPLES]
    if not len(chosen):
        return [], f"these runs give all samples the same {column}"
    first = _of_sample(next(iter(tables.values()))).loc[chosen]
    pictures, why = pictures_of(first, runs)
    out = []
    for place, name in enumerate(chosen):
        given = {key: number(value) for key, value in wide.loc[name].items()}
        sample: dict[str, Any] = {"id": str(name), "label": str(first.loc[name, "label"]), "p": given}
        if place < len(pictures):
            sample["png"] = "data:image/png;base64," + base64.b64encode(pictures[place]).decode()
        out.append(sample)
    words = f"Ordered by the spread of the {column} among the best {len(tables)} runs of these samples."
    return out, f"{words} {why}".strip()


def _of_sample(table: pd.DataFrame) -> pd.DataFrame:
    """One row a sample: the last window of an object."""
    order = "days" if "days" in table else None
    kept = table.sort_values(order, kind="stable") if order else table
    return kept.drop_duplicates("id", keep="last").set_index("id")


def pictures_of(rows: pd.DataFrame, runs: Sequence[Run]) -> tuple[list[bytes], str]:
    """A picture of each sample as its datamodule draws it; none, with the reason, where the dataset is not at hand.

    Args:
        rows: of predictions, with ``index_row``.
        runs: any of which may name the dataset.
    """
    if not runs:
        return [], "They are drawn for the largest sets of samples alone."
    place = next((path for run in runs if (path := dataset_of(run)) is not None), None)
    if place is None or "index_row" not in rows:
        return [], "The dataset is not at hand: the samples have names alone."
    try:
        source = PreparedDataset(place)
        at = rows["index_row"].to_numpy(np.int64)
        if [str(name) for name in source.index["id"].iloc[at]] != [str(name) for name in rows.index]:
            return [], "The dataset holds other samples by now: they have names alone."
        drawer = _built(runs[0], "datamodule")
        if not isinstance(drawer, Draws):
            return [], ""
        drawn = drawer.draw(source, at)
    except MISTAKES as error:
        return [], f"The samples cannot be drawn: {_words(error)}"
    return (drawn, "") if len(drawn) == len(rows) else ([], "")


def dataset_of(run: Run) -> Path | None:
    """The dataset that the run names, if it lies there still and is the same."""
    said = run.text("dataset", "path")
    if not said:
        return None
    # A relative path is that of the folder in which the run was typed: this one, or one above the run.
    places = [Path(said)] if Path(said).is_absolute() else [base / said for base in (Path.cwd(), *run.path.parents)]
    return next((path for path in places if (path / "dataset.json").is_file()), None)


def _words(error: Exception) -> str:
    return shortened(" ".join(str(error).split()), 300) or type(error).__name__
