"""From raw scores to calibrated probabilities, decisions and an evaluation: one object for each kind of task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from astrid_ml.contracts.scoring import JOINED
from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.calibration import Calibration, calibrated, joined_probability
from astrid_ml.evaluation.choice import fit_calibration
from astrid_ml.evaluation.result import EvaluationResult


class Judge(Protocol):
    """What a run needs to turn predictions into an honest result."""

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """Fit calibration and threshold on the validation fold; plain containers, kept in the checkpoint."""

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """Add ``probability``, ``threshold``, ``threshold_on`` and ``decision`` to raw scores."""

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """Metrics with intervals, tables and remarks of one fold."""


class ThresholdRule(Protocol):
    """Chooses the operating threshold on validation."""

    def choose(self, scores: Any, labels: Any) -> tuple[float, str]:
        """(threshold, the rule in words)."""


@dataclass(frozen=True)
class BinaryJudge:
    """One score a sample, real or bogus.

    Args:
        calibration: fitted on validation.
        threshold: rule, applied on validation to the probability where calibrated, else to the score.
        evaluation: the metrics.
    """

    purpose: ClassVar[str] = "binary"

    calibration: Calibration
    threshold: ThresholdRule
    evaluation: BinaryEvaluation

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """{kind, parameters, calibrated, threshold, rule}, and what the calibration says of its choice."""
        known = validation[validation["label"].notna()]
        labels = known["label"].astype(int).to_numpy()
        fitted = fit_calibration(self.calibration, known["score"], labels, known["group_id"])
        probability = calibrated(known["score"], fitted)
        threshold, rule = self.threshold.choose(known["score"] if probability is None else probability, labels)
        return {**fitted, "calibrated": probability is not None, "threshold": threshold, "rule": rule}

    def fit_members(self, members: Sequence[dict[str, Any]], unseen: pd.DataFrame) -> dict[str, Any]:
        """Each member keeps its calibration; the threshold is chosen on what none of the scoring members saw.

        See :class:`astrid_ml.contracts.scoring.JudgesMembers`.
        """
        known = unseen[unseen["label"].notna()]
        sure = all(fitted.get("calibrated") for fitted in members)
        threshold, rule = self.threshold.choose(
            known["probability" if sure else "score"], known["label"].astype(int).to_numpy()
        )
        plain = {"kind": JOINED, "parameters": {}, "calibrated": sure, "threshold": threshold, "rule": rule}
        return {**plain, "members": list(members)}

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """The threshold applies to ``probability`` where calibrated, else to ``score``; ``threshold_on`` says which."""
        out = predictions.copy()
        if fitted.get("kind") == JOINED:
            probability = joined_probability(out, fitted["members"])
        else:
            probability = calibrated(out["score"], fitted if "kind" in fitted else None)
        on = "score" if probability is None else "probability"
        out["probability"] = np.full(len(out), np.nan) if probability is None else probability
        out["threshold"] = float(fitted.get("threshold", 0.5))
        out["threshold_on"] = on
        out["decision"] = (out[on] >= out["threshold"]).astype(np.int8)
        return out

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """See :class:`BinaryEvaluation`."""
        return self.evaluation.evaluate(predictions)

    def notable(self, predictions: pd.DataFrame, most: int) -> dict[str, pd.DataFrame]:
        """The most certain mistakes of either kind, and what lies nearest to the threshold."""
        known = predictions[predictions["label"].notna()]
        label, score = known["label"].astype(int), known["score"]
        wrong = known["decision"].astype(int) != label
        on = known["probability"] if known["probability"].notna().any() else score
        chosen = {
            "Bogus that the model is surest are real": known[wrong & (label == 0)].nlargest(most, "score"),
            "Real ones that the model is surest are bogus": known[wrong & (label == 1)].nsmallest(most, "score"),
            "Nearest to the threshold": known.assign(_d=(on - known["threshold"]).abs()).nsmallest(most, "_d"),
        }
        return {
            heading: table.assign(caption=[caption(row) for row in table.to_dict("records")])
            for heading, table in chosen.items()
        }


def caption(row: dict[Any, Any]) -> str:
    """One line on a binary prediction: id, label, score and what is known beside."""
    truth = "real" if int(row["label"]) == 1 else "bogus"
    parts = [str(row["id"]), f"{truth}, score {row['score']:.3f}"]
    for name in ("artefact", "mission", "filter"):
        value = row.get(name)
        if value not in (None, "") and pd.notna(value):
            parts.append(str(value))
    if pd.notna(row.get("snr")):
        parts.append(f"S/N {row['snr']:.1f}")
    return "; ".join(parts)
