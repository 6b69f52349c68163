"""Metrics: AUCPR first.

AUCPR means average precision, the step-wise sum of Boyd et al. 2013 and scikit-learn, never the trapezoid rule.
"""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    """Those that are kept while a training goes on, when they are asked for: torchmetrics takes seconds to import."""
    if name == "HistogramAveragePrecision":
        from astrid_ml.metrics.histogram import HistogramAveragePrecision

        return HistogramAveragePrecision
    if name == "AveragePrecision":
        from astrid_ml.metrics.torch_metrics import AveragePrecision

        return AveragePrecision
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
