"""Metrics: AUCPR first.

AUCPR means average precision, the step-wise sum of Boyd et al. 2013 and scikit-learn, never the trapezoid rule.
"""

from astrid_ml.metrics.binary import (
    UndefinedError,
    average_precision,
    check_scores,
    confusion_at,
    fnr_at_fpr,
    pr_curve,
    precision_at_prevalence,
    roc_auc,
    roc_curve,
    threshold_table,
)
from astrid_ml.metrics.histogram import HistogramAveragePrecision
from astrid_ml.metrics.torch_metrics import AveragePrecision

__all__ = [
    "AveragePrecision",
    "HistogramAveragePrecision",
    "UndefinedError",
    "average_precision",
    "check_scores",
    "confusion_at",
    "fnr_at_fpr",
    "pr_curve",
    "precision_at_prevalence",
    "roc_auc",
    "roc_curve",
    "threshold_table",
]
