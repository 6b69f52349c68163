"""Which runs may stand in one ranking: those that one metric judges, each within the samples that it was taken on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astrid_ml.board.find import Run
from astrid_ml.report.names import METRICS, less_is_better

ENDS = ("_low", "_high")
# Judges of this package -> what they judge, and by what.
JUDGES = {
    "BinaryJudge": ("real or bogus", "aucpr"),
    "HierarchicalJudge": ("tree of classes", "leaf/macro_f1/64d"),
    "VoxelJudge": ("anomalies by voxel", "aucpr_mean"),
}
MOST = 36  # metrics of a task that may be chosen as columns
SHARE = 0.25  # of its runs that must have one


@dataclass(frozen=True)
class JudgedTask:
    """What runs of one table share.

    Args:
        title: in words.
        headline: the metric that orders them, without its fold.
    """

    title: str
    headline: str

    @property
    def lower(self) -> bool:
        """Whether less is better."""
        return less_is_better(self.headline)


def task_of(run: Run) -> JudgedTask:
    """By the judge of its configuration; where there is none, by its metrics."""
    judge = str(run.config.get("evaluation._target_") or "").rpartition(".")[2]
    title, headline = JUDGES.get(judge, ("", ""))
    if not judge:
        names = {base(name) for name in run.metrics}
        title, headline = next((pair for pair in JUDGES.values() if pair[1] in names), ("", ""))
    said = run.config.get("evaluation.headline")
    headline = said if isinstance(said, str) else headline
    if str(run.config.get("evaluation.evaluation.positive", 1)) == "0":
        title = "bogus or real (bogus are the rare class)"
    tree = run.config.get("evaluation.taxonomy")
    if isinstance(tree, str):
        title += f" of {tree.rpartition('/')[2]}"
    if not headline:
        with_ends = [base(name) for name in run.metrics if f"{name}_low" in run.metrics]
        headline = next(iter(with_ends), next((base(name) for name in run.metrics), ""))
    return JudgedTask(title or judge or run.text("dataset", "domain") or "not known", headline)


def base(name: str) -> str:
    """``val/aucpr`` -> ``aucpr``."""
    return name.partition("/")[2] if name.startswith(("val/", "test/", "data/")) else name


def measured(metrics: Mapping[str, Any], name: str) -> list[float | None]:
    """A metric and the ends of its interval; None for what is not there."""
    return [number(metrics.get(f"{name}{end}")) for end in ("", *ENDS)]


def number(value: Any) -> float | None:
    """Five digits of a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(f"{value:.5g}") if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def columns(runs: list[Run], task: JudgedTask) -> list[str]:
    """Metrics that may be shown beside the headline: known ones first, none of a single class, mission or window."""
    count: dict[str, int] = {}
    for run in runs:
        for name in {base(n) for n, v in run.metrics.items() if number(v) is not None and not n.endswith(ENDS)}:
            count[name] = count.get(name, 0) + 1
    window = task.headline.rpartition("/")[2] if re.search(r"/\d+d$", task.headline) else ""
    done = max(sum(bool(run.metrics) for run in runs), 1)
    known = [name for name, n in count.items() if n >= SHARE * done and name != task.headline and _shown(name, window)]
    order = {name: place for place, name in enumerate(METRICS)}
    return sorted(known, key=lambda name: (order.get(name, len(order)), name.count("/"), name))[:MOST]


def _shown(name: str, window: str) -> bool:
    parts = name.split("/")
    if window:
        return parts[-1] == window and len(parts) == 3 and not re.search(r"aucpr_(?!guess)", parts[1])
    return parts[0] != "aucpr"


def by_mission(run: Run, fold: str = "test") -> dict[str, list[float | None]]:
    """AUCPR on the test samples of each mission.

    A run that was tested on the one mission that it held out is not broken down: its AUCPR is that mission's.
    """
    start = f"{fold}/aucpr/"
    names = [name for name in run.metrics if name.startswith(start) and not name.endswith((*ENDS, "/why"))]
    out = {name.removeprefix(start): measured(run.metrics, name) for name in names}
    held = run.config.get("split.held_out")
    if isinstance(held, str) and held not in ("none", *out) and number(run.metrics.get(f"{fold}/aucpr")) is not None:
        out[held] = measured(run.metrics, f"{fold}/aucpr")
    return {name: value for name, value in out.items() if value[0] is not None}
