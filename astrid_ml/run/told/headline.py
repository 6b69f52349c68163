"""The lines that a run ends with."""

from __future__ import annotations

from astrid_ml.evaluation.result import EvaluationResult


def headline(result: EvaluationResult, where: str) -> str:
    """``held-out AUCPR 0.971 (95 % interval 0.964 to 0.977), prevalence 0.100, one column (snr, high is real) 0.8``.

    Where a baseline is as good as the network, the sentence that says so stands first.
    """
    value = result.metrics.get(result.headline)
    if value is None:
        return f"{where} {result.headline}: undefined ({result.why.get(result.headline, 'no samples')})"
    interval = result.intervals.get(result.headline)
    shown = f"{where} {result.headline.upper() if '/' not in result.headline else result.headline} {value:.4f}"
    if result.metrics.get("n") and result.headline != "aucpr":
        groups = result.metrics.get("groups")
        shown += f" of {result.metrics['n']:,.0f} samples" + (f" in {groups:,.0f} groups" if groups else "")
    if interval:
        shown += f" (95 % interval {interval[0]:.4f} to {interval[1]:.4f})"
    elif result.metrics.get("n"):
        shown += " (no interval: too few groups)"
    if result.guess is not None and result.headline != "aucpr":
        shown += f", a guess {result.guess:.4f}"
    column = result.texts.get("baseline_column_name")
    for name, words in (
        ("prevalence", "prevalence"),
        ("baseline_column_aucpr", f"one column ({column})" if column else "one column"),
        ("baseline_trees_aucpr", "boosted trees"),
        ("end_to_end_completeness", "end-to-end completeness"),
    ):
        other = result.metrics.get(name)
        if other is not None:
            shown += f", {words} {other:.4f}"
    return f"{result.verdict}\n{shown}" if result.verdict else shown
