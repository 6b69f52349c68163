"""What an evaluation hands to the run record, the report and the trackers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Names of what is counted in a sample, or holds for it by what it is: these have no interval.
FACTS = frozenset({"n", "groups", "prevalence", "tp", "fp", "fn", "tn", "set_given"})
_GUESS = "_guess"


@dataclass(frozen=True)
class EvaluationResult:
    """Numbers, tables and sentences of one evaluation on one fold.

    Args:
        metrics: flat names without the fold (``aucpr``, ``leaf/macro_f1/64d``) -> value; undefined is None.
        why: name -> the reason, for each metric that is None.
        intervals: name -> (low, high), 95 % unless said otherwise; only for metrics that have one.
        ends_by: how the intervals were made, for the table of all numbers.
        no_interval: name -> the reason, for each estimate without one: see :func:`with_reasons`.
        tables: name -> table. Known to the report: ``pr_curve`` (threshold, precision, recall), ``thresholds``,
            ``confusion``, ``reliability``, ``prevalence``, ``breakdown/<column>``; others are shown as they are.
        figures: title -> a function that draws it on demand (domains add their own).
        remarks: sentences that the reader must see (an all-bogus model, a proxy label, a confounded split).
        headline: the metric that the run is judged by.
        alarms: sentences that stand before all others: what makes numbers or probabilities untrustworthy.
        texts: name -> a text beside the metrics (which column a baseline is).
        verdict: the first sentence of all, where a baseline is as good as the network; else empty.
    """

    metrics: dict[str, float | None]
    why: dict[str, str] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: dict[str, Callable[[], Figure]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    headline: str = "aucpr"
    alarms: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    verdict: str = ""
    no_interval: dict[str, str] = field(default_factory=dict)
    ends_by: str = (
        "AUCPR and ROC AUC by the influence of each group (of a perfect ranking by the number of groups of the rarer "
        "class), shares as exact binomials, Matthews correlation by those of its shares, losses by their spread, other "
        "differences by resampling groups. That of a calibration error leaves room for what chance adds to it."
    )

    @property
    def guess(self) -> float | None:
        """What knowing nothing gives for the headline; None where nobody knows."""
        if self.headline == "aucpr":
            return self.metrics.get("prevalence")
        level, _, rest = self.headline.partition("/")
        metric, _, window = rest.partition("/")
        return self.metrics.get(f"{level}/{metric}_guess/{window}")

    def flat(self, fold: str) -> dict[str, float | str | None]:
        """The form of ``metrics.json``: ``<fold>/<name>``, with ``_low``, ``_high`` and ``/why`` beside it."""
        out: dict[str, float | str | None] = {f"{fold}/{name}": text for name, text in self.texts.items()}
        for name, value in self.metrics.items():
            out[f"{fold}/{name}"] = value
            if name in self.intervals:
                out[f"{fold}/{name}_low"], out[f"{fold}/{name}_high"] = self.intervals[name]
            elif name in self.no_interval:
                for end in ("low", "high"):
                    out[f"{fold}/{name}_{end}"], out[f"{fold}/{name}_{end}/why"] = None, self.no_interval[name]
            if value is None:
                out[f"{fold}/{name}/why"] = self.why.get(name, "undefined")
        return out


def with_reasons(result: EvaluationResult, reason: str, others: Mapping[str, str] | None = None) -> EvaluationResult:
    """The same, with the reason for every estimate that has no interval; counts and facts of a sample have none.

    Args:
        result: of an evaluation.
        reason: for most of them.
        others: name -> another reason.

    Example:
        >>> made = with_reasons(EvaluationResult({"n": 3.0, "aucpr": 0.5, "recall": None}), "one group")
        >>> made.no_interval
        {'aucpr': 'one group'}
    """
    told = {name for name, value in result.metrics.items() if value is not None and name not in result.intervals}
    lacking = sorted(name for name in told if not (FACTS & set(name.split("/")) or _GUESS in name))
    return replace(result, no_interval={name: (others or {}).get(name, reason) for name in lacking})


def has(table: pd.DataFrame, column: str) -> bool:
    """Whether a table says anything in a column."""
    return column in table and bool(table[column].notna().any())
