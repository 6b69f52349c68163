"""One level of a tree at one window of days: the objects that are known there, and what was said of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Floats, Ints


@dataclass(frozen=True)
class View:
    """One level at one window: the objects that are known there.

    Args:
        name: of the level.
        day: the window.
        names: of the k classes.
        y: (n,) true classes.
        p: (n, k) calibrated probabilities.
        raw: (n, k) scores before calibration.
        group: (n,) codes of the objects.
    """

    name: str
    day: float
    names: list[str]
    y: Ints
    p: Floats
    raw: Floats
    group: Ints


def views(known: pd.DataFrame, nodes: Ints, tree: Taxonomy) -> Iterator[View]:
    """Every level at every window, days first."""
    days = known["days"].to_numpy(dtype=np.float64)
    p, raw = scores_of(known, tree, "p_"), scores_of(known, tree)
    for day in np.unique(days):
        at = days == day
        for level, name in levels(tree):
            classes = tree.level_nodes(level)
            truth = tree.at_level(nodes[at], level)
            there = truth >= 0
            group = pd.factorize(known["group_id"].to_numpy()[at][there])[0].astype(np.int64)
            yield View(
                name,
                float(day),
                [tree.nodes[number] for number in classes],
                np.searchsorted(classes, truth[there]).astype(np.int64),
                p[at][there][:, classes],
                raw[at][there][:, classes],
                group,
            )


def headline_day(headline: str, days: Floats) -> float:
    """The window that the headline names; the longest where it is not among ``days``."""
    wanted = [day for day in np.unique(days) if headline.endswith(f"/{day:g}d")]
    return float(wanted[0]) if wanted else float(days.max()) if len(days) else np.nan


def levels(tree: Taxonomy) -> list[tuple[int, str]]:
    """(depth, name) of the levels below the root; the last is ``leaf``."""
    return [(n, "leaf" if n == tree.n_levels else f"level{n}") for n in range(1, tree.n_levels + 1)]


def scores_of(table: pd.DataFrame, tree: Taxonomy, prefix: str = "score_") -> Floats:
    """Columns ``<prefix><node>`` as (n, n_nodes)."""
    out: Floats = table[[f"{prefix}{name}" for name in tree.nodes]].to_numpy(dtype=np.float64)
    return out
