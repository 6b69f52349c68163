"""Whether samples as a set are like those of training, where each of them alone lies within its bounds.

Plain numbers of the samples (how deep, how often, how bright) are spread as training's were, whatever share each class
has: the distance is Kolmogorov and Smirnov's to the nearest mixture of the classes of training. A set of one class
alone is near to such a mixture, a set of another telescope, selection or reduction is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.types import Array, Floats

# Column of facts -> its name for a reader.
SPREAD = {
    "snr": "|S/N|",
    "n_epochs": "number of points",
    "cadence": "median days between nights",
    "per_night": "points a night",
    "before": "points before time zero",
    "detected_share": "share of points detected",
    "depth": "depth (mag)",
    "brightest": "brightest point (mag)",
    "median_snr": "median S/N of the points",
    "distance": "distance in what the network knows",
    "strangeness": "distance in statistics of the pixels",
}
MISSION, CLASS, REST = "mission", "label", ""
GRID = 33  # values at which spreads are compared
LEAST = 30  # samples of training, and of a set, below which nothing is said
FEW = 10  # samples of a class below which it stands with the others that are few
LEVEL = 0.01  # of false warnings, over all that is compared
APART = 0.1  # smaller distances are no news, however sure they are
Counts = dict[str, dict[str, list[int]]]  # see counts_of


@dataclass(frozen=True)
class Apart:
    """A number in which a set is not spread as any mixture of training's classes.

    Args:
        mission: whose samples they are; empty where samples have none.
        name: of the number, for a reader.
        distance: Kolmogorov and Smirnov's to the nearest mixture, 0 to 1.
        count: samples of the set.
    """

    mission: str
    name: str
    distance: float
    count: int


def missions_of(table: pd.DataFrame) -> Array:
    """(n,) texts: the mission of each sample, empty where nobody knows."""
    if MISSION not in table:
        return np.full(len(table), "", dtype=object)
    found: Array = table[MISSION].astype("object").where(table[MISSION].notna(), "").astype(str).to_numpy(dtype=object)
    return found


def fit_spread(tables: Sequence[pd.DataFrame]) -> dict[str, Any] | None:
    """How plain numbers of the training samples are spread, by mission and class.

    Args:
        tables: of facts, with ``mission`` and ``label`` where these are known; a number that depends on what the
            network learned must be of samples that it was not trained on.

    Returns:
        mission -> column -> ``grid`` (G,), ``below`` (K, G), the share of each class at or below it, and ``counts``
        (K,) (tensors); None where there are too few samples.
    """
    out: dict[str, dict[str, Any]] = {}
    for table in tables:
        missions = missions_of(table)
        labels = (
            table[CLASS].astype("object").fillna(REST).astype(str).to_numpy(dtype=object) if CLASS in table else None
        )
        for mission in np.unique(missions.astype(str)):
            here = missions == mission
            for name in (name for name in SPREAD if name in table):
                values = _numbers(table, name)[here]
                own = np.full(len(values), REST, dtype=object) if labels is None else labels[here]
                made = _of_classes(values[np.isfinite(values)], own[np.isfinite(values)])
                if made is not None:
                    out.setdefault(str(mission), {})[name] = made
    return out or None


def _of_classes(values: Floats, labels: Array) -> dict[str, Any] | None:
    import torch

    if len(values) < LEAST or values.min() == values.max():
        return None
    kinds, place, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    place = np.where(counts[place] >= FEW, place, len(kinds))
    grid = np.unique(np.quantile(values, np.linspace(0, 1, GRID)).astype(np.float32))
    parts = [np.sort(values[place == kind].astype(np.float32)) for kind in np.unique(place)]
    below = np.stack([np.searchsorted(part, grid, side="right") / len(part) for part in parts])
    return {
        "grid": torch.from_numpy(grid),
        "below": torch.from_numpy(below.astype(np.float32)),
        "counts": torch.tensor([float(len(part)) for part in parts]),
    }


def _numbers(table: pd.DataFrame, name: str) -> Floats:
    values: Floats = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.abs(values) if name == "snr" else values


def counts_of(plain: Mapping[str, Any] | None, table: pd.DataFrame) -> Counts:
    """Of some samples how many lie at or below each value of the grid; those of several parts are added.

    Args:
        plain: what :func:`fit_spread` gave.
        table: facts of the samples.

    Returns:
        mission -> column -> (1 + G) whole numbers, the first of them how many samples have the number.
    """
    out: Counts = {}
    missions = missions_of(table)
    for mission, columns in (plain or {}).items():
        here = missions == mission
        for name in (name for name in columns if name in table and here.any()):
            values = _numbers(table, name)[here]
            values = np.sort(values[np.isfinite(values)].astype(np.float32))
            below = np.searchsorted(values, columns[name]["grid"].numpy(), side="right")
            if len(values):
                out.setdefault(mission, {})[name] = [len(values), *below.tolist()]
    return out


def added(one: Counts, other: Mapping[str, Any]) -> Counts:
    """The counts of both."""
    out: Counts = {mission: dict(columns) for mission, columns in one.items()}
    for mission, columns in other.items():
        own = out.setdefault(mission, {})
        for name, counts in columns.items():
            own[name] = [a + b for a, b in zip(own[name], counts, strict=True)] if name in own else list(counts)
    return out


def apart(plain: Mapping[str, Any] | None, counts: Mapping[str, Any]) -> list[Apart]:
    """In what a set differs from training as a whole, the farthest first.

    A distance counts where it is above ``APART`` and above what chance gives of sets of these sizes, at ``LEVEL`` over
    all that is compared (Bonferroni). It is that of the nearest mixture, so chance gives less.

    Args:
        plain: what :func:`fit_spread` gave.
        counts: of :func:`counts_of`, of all samples.
    """
    asked = [
        (mission, name, np.asarray(found, dtype=np.float64))
        for mission, columns in counts.items()
        for name, found in columns.items()
        if found[0] >= LEAST and name in (plain or {}).get(mission, {})
    ]
    out = []
    for mission, name, found in asked:
        assert plain is not None
        distance, effective = nearest_mixture(plain[mission][name], found[1:] / found[0])
        chance = np.sqrt(-np.log(LEVEL / len(asked) / 2) / 2 * (1 / found[0] + 1 / effective))
        if distance > max(APART, chance):
            out.append(Apart(mission, SPREAD[name], distance, int(found[0])))
    return sorted(out, key=lambda each: -each.distance)


def nearest_mixture(plain: Mapping[str, Any], below: Floats) -> tuple[float, float]:
    """The distance of a spread from the nearest mixture of the classes, and how many samples that mixture is worth.

    Args:
        plain: of a mission and a column.
        below: (G,) the share of the set at or below each value of the grid.
    """
    from scipy.optimize import linprog

    classes, sizes = (plain[name].numpy().astype(np.float64) for name in ("below", "counts"))
    ones = np.ones((len(below), 1))
    rows = np.vstack([np.hstack([classes.T, -ones]), np.hstack([-classes.T, -ones])])
    cost = np.append(np.zeros(len(classes)), 1.0)
    whole = np.append(np.ones(len(classes)), 0.0)[None]
    found = linprog(cost, A_ub=rows, b_ub=np.concatenate([below, -below]), A_eq=whole, b_eq=[1.0], method="highs")
    solved = np.asarray(found.x, dtype=np.float64)
    shares = np.maximum(solved[:-1], 0)
    return float(solved[-1]), float(1 / np.sum(shares**2 / sizes))


def said_of_set(simulated: bool | None, found: Sequence[Apart]) -> str:
    """One line on a set that differs from training as a whole; empty of one that does not.

    Args:
        simulated: whether training had simulated samples alone.
        found: of :func:`apart`.

    Example:
        >>> line = said_of_set(True, [Apart("ztf", "points a night", 0.83, 2289)])
        >>> print(line.replace(": ", ":" + chr(10)).replace("; ", ";" + chr(10)))
        as a set, samples of ztf are unlike those of training, whatever the shares of its classes (points a night:
        0.83 of 2,289 samples, Kolmogorov-Smirnov distances);
        their probabilities are those of a training on simulated samples alone
    """
    if not found:
        return ""
    missions = " and ".join(sorted({each.mission for each in found if each.mission}))
    named = ", ".join(f"{each.name}: {each.distance:.2f}" for each in found[:3])
    most, whose = max(each.count for each in found), f" of {missions}" if missions else ""
    return (
        f"as a set, samples{whose} are unlike those of training, whatever the shares of its classes ({named} of "
        f"{most:,} samples, Kolmogorov-Smirnov distances); their probabilities are those of a training on "
        f"{'simulated samples alone' if simulated else 'samples unlike these'}"
    )


def checked_spread(plain: Any) -> str:
    """What is wrong with what a file holds of it; empty where nothing is."""
    if plain is None:
        return ""
    if not isinstance(plain, dict) or not all(isinstance(columns, dict) for columns in plain.values()):
        return "a spread of samples that is none"
    every = [(name, each) for columns in plain.values() for name, each in columns.items()]
    return next((why for name, each in every if (why := _wrong(name, each))), "")


def _wrong(name: Any, each: Any) -> str:
    import torch

    if name not in SPREAD or not isinstance(each, dict) or set(each) != {"grid", "below", "counts"}:
        return "a spread of other numbers"
    values = list(each.values())
    if not all(isinstance(value, torch.Tensor) and value.is_floating_point() for value in values):
        return f"a spread without numbers of {name}"
    if not all(bool(value.isfinite().all()) and value.numel() for value in values):
        return f"a spread of {name} that is no number"
    sizes = (len(each["counts"]), len(each["grid"])) if each["counts"].ndim == each["grid"].ndim == 1 else ()
    sound = tuple(each["below"].shape) == sizes and bool((each["counts"] > 0).all())
    return "" if sound else f"a spread of {name} of other sizes"
