"""Prediction sets of a tree of classes: at each level the nodes that a sample's scores do not rule out.

Split conformal by class, as :mod:`astrid_ml.evaluation.sets.conformal`: a node has a limit of its own for each window
of days, from the validation objects that are of it. A node that too few of them are of is never ruled out, whatever
its score: the words name such nodes apart, since they say nothing of the sample.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.sets.conformal import COLUMN, IntervalOf, Measured, limit_of
from astrid_ml.evaluation.tree.views import levels
from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Count, Floats, Ints, Level, Mask

BETWEEN, NONE, NEVER = " or ", "none", "; never ruled out: "
METRICS = {
    "set_coverage": "coverage",
    "set_size": "mean size",
    "set_single": "single",
    "set_full": "full",
    "set_empty": "empty",
}


@dataclass(frozen=True)
class NodeSets:
    """How sets of a tree are made.

    Args:
        coverage: share of the objects of each node whose set holds it.
        least: objects of a node on validation from which it can be ruled out.

    Example:
        >>> tree = Taxonomy("two", "object", {"object": ("a", "b")}, {})
        >>> known = pd.DataFrame({"days": 8.0, "group_id": [f"{n}" for n in range(200)]})
        >>> p = np.column_stack([np.ones(200), np.repeat([0.9, 0.2], 100), np.repeat([0.1, 0.8], 100)])
        >>> fitted = NodeSets().fit(tree, p, np.repeat([1, 2], 100), known)
        >>> with_node_sets(known.iloc[[0, 199]], tree, p[[0, 199]], fitted)["prediction_set"].tolist()
        ['a', 'b']
    """

    coverage: Level = 0.9
    least: Count = 30

    def fit(self, tree: Taxonomy, scores: Floats, nodes: Ints, known: pd.DataFrame) -> dict[str, Any]:
        """Limits of the scores.

        Args:
            tree: of the nodes.
            scores: (n, n_nodes).
            nodes: (n,) true ones, at any depth; -1 where nobody knows.
            known: (n,) with ``days`` and ``group_id``.

        Returns:
            Plain containers, kept in the checkpoint: coverage, and window -> node -> the lowest score of its set, null
            where too few objects tell it.
        """
        days, groups = known["days"].to_numpy(dtype=np.float64), known["group_id"].reset_index(drop=True)
        windows: dict[str, dict[str, float | None]] = {}
        for day in np.unique(days):
            limits: dict[str, float | None] = {}
            for number, name in enumerate(tree.nodes):
                if not tree.depth[number]:
                    continue
                own = (days == day) & (nodes >= 0) & tree.ancestors[nodes, number]
                limit, _ = limit_of(-scores[own, number], groups[own], self.coverage, self.least)
                limits[name] = None if limit is None else -limit
            windows[f"{day:g}"] = limits
        return {"coverage": self.coverage, "windows": windows}


def with_node_sets(
    table: pd.DataFrame, tree: Taxonomy, scores: Floats, fitted: dict[str, Any] | None, absent: Collection[str] = ()
) -> pd.DataFrame:
    """The sets of each level in words: names with `` or `` between; ``none`` where all are ruled out.

    Nodes that no score can rule out stand behind, as in ``ia or ii; never ruled out: slsn, tde``.

    A curve of another age than the windows' has the limits of the nearest one, by the logarithm of the days. Null
    where no limit was fitted for it, no columns where the checkpoint has none at all. What training did not have is in
    no set.

    Args:
        table: with ``days``.
        tree: of the nodes.
        scores: (n, n_nodes), as they were fitted.
        fitted: of :meth:`NodeSets.fit`; None where the checkpoint has none.
        absent: nodes that training did not have. It cannot be told from these scores: one sample may have a score of 0
            of a node that no score rules out.

    Returns:
        ``prediction_set`` (leaves) and ``prediction_set_<level>`` of the levels above.
    """
    if fitted is None:
        return pd.DataFrame(index=table.index)
    windows = fitted["windows"]
    held = windows_of(table["days"].to_numpy(dtype=np.float64), list(windows))
    out = {}
    for level, name in levels(tree):
        own = tree.level_nodes(level)
        words = pd.Series(pd.NA, index=table.index, dtype="string")
        for day, here in held.items():
            limits = [windows[day][tree.nodes[number]] for number in own]
            if all(limit is None for limit in limits):
                continue
            never = [n for n, limit in zip(own, limits, strict=True) if limit is None and tree.nodes[n] not in absent]
            lowest = np.array([np.inf if limit is None else limit for limit in limits])
            lowest[np.isin(tree.nodes, list(absent))[own]] = np.inf
            may_be: Mask = scores[here][:, own] >= lowest
            sets, which = np.unique(may_be, axis=0, return_inverse=True)
            behind = NEVER + ", ".join(tree.nodes[k] for k in never) if never else ""
            said = np.array([_joined(tree, own[row]) + behind for row in sets], dtype=object)
            words[here] = said[which.reshape(-1)]
        out[column_of(name)] = words
    return pd.DataFrame(out, index=table.index)


def _joined(tree: Taxonomy, nodes: Ints) -> str:
    return BETWEEN.join(tree.nodes[k] for k in nodes) or NONE


def read_set(words: str, names: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The nodes that a set holds, and those of them that are never ruled out, from its words.

    Args:
        words: of :func:`with_node_sets`.
        names: of the tree's nodes, which may hold `` or `` themselves.

    Example:
        >>> held, never = read_set("ib or ic or ii; never ruled out: tde", ["ib or ic", "ii", "tde"])
        >>> sorted(held), sorted(never)
        (['ib or ic', 'ii', 'tde'], ['tde'])
    """
    said, _, behind = words.partition(NEVER)
    # Of names of which one begins as another does, the longest that is followed by a separator or the end.
    one = re.compile("|".join(f"{re.escape(name)}(?= or |, |$)" for name in sorted(names, key=len, reverse=True)))
    never = frozenset(one.findall(behind))
    return (frozenset() if said == NONE else frozenset(one.findall(said))) | never, never


def windows_of(days: Floats, windows: Sequence[str]) -> dict[str, Mask]:
    """Window -> the rows that are nearest to it, by the logarithm of their days (below a day they count as one).

    >>> {day: rows.tolist() for day, rows in windows_of(np.array([16.0, 15.3, 900.0]), ["8", "16", "1024"]).items()}
    {'8': [False, False, False], '16': [True, True, False], '1024': [False, False, True]}
    """
    if not windows:
        return {}
    places = np.log2(np.maximum([float(day) for day in windows], 1.0))
    age = np.log2(np.clip(days, 1.0, float(2 ** places.max())))
    nearest = np.abs(age[:, None] - places).argmin(axis=1)
    return {day: nearest == number for number, day in enumerate(windows)}


def column_of(level: str) -> str:
    """The column that holds the sets of a level."""
    return COLUMN if level == "leaf" else f"{COLUMN}_{level}"


def measured_nodes(known: pd.DataFrame, tree: Taxonomy, nodes: Ints, day: float, interval_of: IntervalOf) -> Measured:
    """Coverage of each node at one window with its interval, and beside it what the sets are.

    Args:
        known: predictions with sets.
        tree: of the nodes.
        nodes: (n,) true ones, -1 where nobody knows.
        day: the window.
        interval_of: of the mean of independent values, (n,).
    """
    out, tables = Measured(), []
    at = known["days"].to_numpy(dtype=np.float64) == day
    for level, name in levels(tree):
        if column_of(name) not in known:
            continue
        truth = tree.at_level(nodes, level)
        here = at & (truth >= 0) & known[column_of(name)].notna().to_numpy(dtype=bool)
        if not here.any():
            continue
        rows = _rows(known[here], name, tree, truth[here], len(tree.level_nodes(level)), interval_of)
        whole = rows.iloc[0]
        for metric, column in METRICS.items():
            out.metrics[f"{name}/{metric}/{day:g}d"] = float(whole[column])
        if pd.notna(whole["low"]):
            out.intervals[f"{name}/set_coverage/{day:g}d"] = (float(whole["low"]), float(whole["high"]))
        share = float(whole["never ruled out"])
        if share > 0:
            out.remarks.append(_said_of_never(rows, name, day, share))
        tables.append(rows)
    if tables:
        out.tables[f"prediction sets at {day:g} days"] = pd.concat(tables, ignore_index=True)
    return out


def _said_of_never(rows: pd.DataFrame, level: str, day: float, share: float) -> str:
    """Which nodes stand in each set for want of examples, and the coverage of the others."""
    nodes = rows[rows["class"] != "all"]
    never = nodes["never ruled out"] == 1
    names, others = ", ".join(nodes.loc[never, "class"]), nodes[~never]
    said = (
        f"At {day:g} days the sets of {level} rule out no {names}: validation has too few objects of each. "
        f"{share:.0%} of the tested objects are of these, and covered whatever their scores"
    )
    if others.empty:
        return f"{said}."
    coverage = float(np.average(others["coverage"], weights=others["objects"]))
    return f"{said}; of the others {coverage:.1%} are covered."


def _rows(
    known: pd.DataFrame, level: str, tree: Taxonomy, truth: Ints, classes: int, interval_of: IntervalOf
) -> pd.DataFrame:
    """A row for all objects of a level, then one for each node."""
    which, said = pd.factorize(known[column_of(level)])
    sets = [read_set(str(words), tree.nodes) for words in said]
    holds, never = (np.array([[name in one[k] for name in tree.nodes] for one in sets], dtype=bool) for k in (0, 1))
    names = [tree.nodes[number] for number in truth]
    size = np.array([len(held) for held, _ in sets])[which]
    facts = pd.DataFrame(
        {
            "class": names,
            "group": known["group_id"].to_numpy(),
            "coverage": holds[which, truth].astype(float),
            "mean size": size.astype(float),
            "single": (size == 1).astype(float),
            "full": (size == classes).astype(float),
            "empty": (size == 0).astype(float),
            "never ruled out": never[which, truth].astype(float),
        }
    )
    rows = []
    for name, part in [("all", facts), *facts.groupby("class")]:
        by_object = part.drop(columns="class").groupby("group").mean()
        low, high = interval_of(by_object["coverage"].to_numpy()) or (np.nan, np.nan)
        means = by_object.mean().to_dict()
        row = {"level": level, "class": name, "objects": len(by_object), "coverage": means.pop("coverage")}
        rows.append({**row, "low": low, "high": high, **means})
    return pd.DataFrame(rows)
