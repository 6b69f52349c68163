"""What metrics and folds are called on a page."""

from __future__ import annotations

METRICS = {
    "aucpr": "AUCPR (average precision)",
    "aucpr_at_1_in_100": "AUCPR where 1 in 100 is real",
    "baseline_aucpr": "AUCPR of the trivial baseline",
    "prevalence": "prevalence (AUCPR of a guess)",
    "roc_auc": "ROC AUC",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "fpr": "false positive rate",
    "fnr": "false negative rate",
    "fnr_at_fpr_0.01": "false negative rate at 1 % false positives",
    "fnr_at_fpr_0.001": "false negative rate at 0.1 % false positives",
    "ece": "calibration error (15 bins, less its null)",
    "ece_uncalibrated": "calibration error of the raw score",
    "nll": "negative log-likelihood",
    "nll_uncalibrated": "negative log-likelihood of the raw score",
    "brier": "Brier score",
    "brier_uncalibrated": "Brier score of the raw score",
    "accuracy": "accuracy (shown, never chosen by)",
    "n": "samples",
    "groups": "groups",
}

# Shown where they belong (the confusion matrix, the breakdown), not again in the table of numbers.
ELSEWHERE = ("tp", "fp", "fn", "tn")


def metric(name: str) -> str:
    """A metric's name in words; its own name where it has no other."""
    return METRICS.get(name, name)


def column(name: str) -> str:
    """A column of the index in words."""
    return {"snr": "S/N", "magpsf": "magnitude", "mag_truth": "true magnitude (AB)"}.get(name, name.replace("_", " "))


def short(name: str) -> str:
    """For headlines."""
    return "AUCPR" if name == "aucpr" else name


def fold(name: str) -> str:
    """``test`` -> ``held out``."""
    return {"test": "held out", "val": "validation"}.get(name, name)


def ordered(found: list[str]) -> list[str]:
    """Known metrics in the order of the table, then the others as they came."""
    known = [name for name in METRICS if name in found]
    return known + [name for name in found if name not in METRICS and name not in ELSEWHERE]
