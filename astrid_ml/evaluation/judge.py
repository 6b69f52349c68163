"""From raw scores to calibrated probabilities, decisions and an evaluation: one object for each kind of task."""

from __future__ import annotations

from typing import Any, Protocol

import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult


class Judge(Protocol):
    """What a run needs to turn predictions into an honest result."""

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """Fit calibration and threshold on the validation fold; plain containers, kept in the checkpoint."""

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """Add ``probability``, ``threshold``, ``threshold_on`` and ``decision`` to raw scores."""

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """Metrics with intervals, tables and remarks of one fold."""
