"""The lines that a run ends with."""

from __future__ import annotations

from astrid_ml.evaluation.result import EvaluationResult


def headline(result: EvaluationResult, where: str) -> str:
    """``held-out aucpr 0.971 (95 % 0.964 to 0.977), prevalence 0.100, trivial baseline 0.212``."""
    value = result.metrics.get(result.headline)
    if value is None:
        return f"{where} {result.headline}: undefined ({result.why.get(result.headline, 'no samples')})"
    interval = result.intervals.get(result.headline)
    shown = f"{where} {result.headline.upper() if '/' not in result.headline else result.headline} {value:.4f}"
    if interval:
        shown += f" (95 % interval {interval[0]:.4f} to {interval[1]:.4f})"
    for name, words in (("prevalence", "prevalence"), ("baseline_aucpr", "trivial baseline")):
        other = result.metrics.get(name)
        if other is not None:
            shown += f", {words} {other:.4f}"
    return shown
