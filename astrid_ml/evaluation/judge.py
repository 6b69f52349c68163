"""From raw scores to calibrated probabilities, decisions and an evaluation: one object for each kind of task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from astrid_ml.contracts.scoring import JOINED
from astrid_ml.errors import UserError
from astrid_ml.evaluation.baselines.fit import Baselines
from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import PairedDifference
from astrid_ml.evaluation.calibration import (
    Calibration,
    calibrated,
    calibrated_log_odds,
    joined_log_odds,
    joined_probability,
)
from astrid_ml.evaluation.choice import fit_calibration
from astrid_ml.evaluation.prior import ASSUMED, FITTED, ChoosesAtPrevalence, Prior, joined_share, moved, moved_odds
from astrid_ml.evaluation.rankings import Ranking, binary_difference, binary_ranking
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.evaluation.sets.conformal import COLUMN as SETS
from astrid_ml.evaluation.sets.conformal import PredictionSets, with_sets
from astrid_ml.metrics.binary import steps
from astrid_ml.typed_values import share_of
from astrid_ml.types import Floats, Range


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
        prevalence: share of real ones where probabilities and threshold are to hold, ``1/300`` or a number; None keeps
            that of the validation fold.
        baselines: what the scores are compared with; None for none.
        sets: which classes a score does not rule out, with a measured coverage; None for none.
    """

    purpose: ClassVar[str] = "binary"
    brief: ClassVar[tuple[str, ...]] = (
        *("id", "mission", "score", "probability", "decision", "prediction_set", "in_domain", "outside_because"),
    )

    calibration: Calibration
    threshold: ThresholdRule
    evaluation: BinaryEvaluation
    prevalence: Annotated[float, Range()] | str | None = None
    baselines: Baselines | None = field(default_factory=Baselines)
    sets: PredictionSets | None = field(default_factory=PredictionSets)

    def __post_init__(self) -> None:
        if self.prevalence is None:
            return
        object.__setattr__(self, "prevalence", share_of(self.prevalence))
        if not isinstance(self.threshold, ChoosesAtPrevalence):
            got = f"{type(self.threshold).__name__}, which has no choose_at"
            raise UserError("threshold= with a rule for another prevalence", got, "leave out prevalence=, or define it")

    @property
    def rarer(self) -> int:
        """The class whose ranking counts."""
        return self.evaluation.positive

    def fit(self, validation: pd.DataFrame) -> dict[str, Any]:
        """{kind, parameters, calibrated, threshold, rule}, and what the calibration says of its choice."""
        known = validation[validation["label"].notna()]
        labels = known["label"].astype(int).to_numpy()
        fitted = fit_calibration(self.calibration, known["score"], labels, known["group_id"])
        probability = calibrated(known["score"], fitted)
        on = known["score"].to_numpy(dtype=float) if probability is None else probability
        sets = {} if self.sets is None else {"sets": self.sets.fit(known)}
        return {**fitted, **self._chosen(on, labels, Prior.of(on, labels), probability is not None), **sets}

    def _chosen(self, on: Any, labels: Any, prior: Prior, sure: bool) -> dict[str, Any]:
        """Threshold, rule, and what is kept of validation for another prevalence."""
        kept = {"calibrated": sure, **prior.plain()}
        if self.prevalence is None:
            threshold, rule = self.threshold.choose(on, labels)
            return {**kept, "threshold": threshold, "rule": rule}
        return self._settled(kept, Prior(prior.share, None if prior.curve is None else steps(on, labels)))

    def settled(self, fitted: dict[str, Any]) -> dict[str, Any]:
        """What was fitted, at this judge's prevalence.

        Args:
            fitted: of a checkpoint.

        Raises:
            UserError: it does not tell the share of real ones that it was fitted at.
        """
        if self.prevalence is None or fitted.get("prevalence") == self.prevalence:
            return fitted
        return self._settled(fitted, Prior.from_plain(fitted))

    def _settled(self, fitted: dict[str, Any], prior: Prior) -> dict[str, Any]:
        share, curve = float(self.prevalence or 0), prior.curve
        if curve is None or not isinstance(self.threshold, ChoosesAtPrevalence):
            raise UserError(
                "both classes on validation for prevalence=", "one of them", "enlarge split.val, or leave it out"
            )
        if fitted["calibrated"]:
            curve = replace(curve, threshold=moved(curve.threshold, prior.share, share))
        threshold, rule = self.threshold.choose_at(curve, share)
        return {**fitted, "threshold": threshold, "rule": rule, "prevalence": share}

    def fit_members(self, members: Sequence[dict[str, Any]], unseen: pd.DataFrame) -> dict[str, Any]:
        """Each member keeps its calibration; the threshold is chosen on what none of the scoring members saw.

        See :class:`astrid_ml.contracts.scoring.JudgesMembers`.
        """
        known = unseen[unseen["label"].notna()]
        sure = all(fitted.get("calibrated") for fitted in members)
        on = known["probability" if sure else "score"].to_numpy(dtype=float)
        labels = known["label"].astype(int).to_numpy()
        shares = [fitted["share"] for fitted in members if "share" in fitted]
        prior = Prior(float("nan"), None)
        if len(shares) == len(members):
            prior = Prior(joined_share(shares), None)
            if sure and self.prevalence is not None:  # they hold for the prevalence, and counts are kept as fitted
                on = moved(on, float(self.prevalence), prior.share)
            prior = replace(prior, curve=Prior.of(on, labels).curve)
        plain = {"kind": JOINED, "parameters": {}, **self._chosen(on, labels, prior, sure)}
        sets = {} if self.sets is None else {"sets": self.sets.fit(known)}
        return {**plain, "members": list(members), **sets}

    def apply(self, predictions: pd.DataFrame, fitted: dict[str, Any]) -> pd.DataFrame:
        """The threshold applies to ``probability`` where calibrated, else to ``score``; ``threshold_on`` says which."""
        out, fitted = predictions.copy(), self.settled(fitted)
        if fitted.get("kind") == JOINED:
            probability = joined_probability(out, fitted["members"])
        else:
            probability = calibrated(out["score"], fitted if "kind" in fitted else None)
        if probability is not None and "prevalence" in fitted:
            probability = _moved(out, fitted)
            out[ASSUMED], out[FITTED] = fitted["prevalence"], fitted["share"]
        on = "score" if probability is None else "probability"
        out["probability"] = np.full(len(out), np.nan) if probability is None else probability
        out["threshold"] = float(fitted.get("threshold", 0.5))
        out["threshold_on"] = on
        out["decision"] = (out[on] >= out["threshold"]).astype(np.int8)
        out[SETS] = with_sets(out, fitted.get("sets"))
        return out

    def evaluate(self, predictions: pd.DataFrame) -> EvaluationResult:
        """See :class:`BinaryEvaluation`."""
        asked = predictions if self.sets is not None else predictions.drop(columns=SETS, errors="ignore")
        return self.evaluation.evaluate(asked)

    def ranking(self, predictions: pd.DataFrame, share: float | None = None) -> Ranking:
        """See :class:`astrid_ml.evaluation.rankings.ComparesRankings`."""
        return binary_ranking(predictions, self.rarer, share, self.evaluation.bootstrap.level)

    def ranking_difference(self, first: pd.DataFrame, second: pd.DataFrame) -> PairedDifference | None:
        """See :class:`astrid_ml.evaluation.rankings.ComparesRankings`."""
        return binary_difference(first, second, self.rarer, self.evaluation.bootstrap)

    def notable(self, predictions: pd.DataFrame, most: int) -> dict[str, pd.DataFrame]:
        """The most certain mistakes of either kind, and what lies nearest to the threshold."""
        known = predictions[predictions["label"].notna()]
        label, score = known["label"].astype(int), known["score"]
        wrong = known["decision"].astype(int) != label
        on = known["probability"] if known["probability"].notna().any() else score
        chosen = {
            "Bogus that were called real, the highest scores": known[wrong & (label == 0)].nlargest(most, "score"),
            "Real ones that were called bogus, the lowest scores": known[wrong & (label == 1)].nsmallest(most, "score"),
            "Nearest to the threshold": known.assign(_d=(on - known["threshold"]).abs()).nsmallest(most, "_d"),
        }
        return {
            heading: table.assign(caption=[caption(row) for row in table.to_dict("records")])
            for heading, table in chosen.items()
        }


def _moved(predictions: pd.DataFrame, fitted: dict[str, Any]) -> Floats:
    """Probabilities that hold for the assumed prevalence, from log-odds, which do not round to 1."""
    from scipy.special import expit

    if fitted["kind"] == JOINED:
        odds = joined_log_odds(predictions, fitted["members"])
    else:
        odds = calibrated_log_odds(predictions["score"], fitted)
    out: Floats = expit(moved_odds(odds, fitted["share"], fitted["prevalence"]))
    return out


def answer(row: dict[Any, Any]) -> str:
    """The number that the threshold was applied to, so that nobody sets a score beside a probability's threshold."""
    if row.get("threshold_on") == "probability" and pd.notna(row.get("probability")):
        return f"probability {row['probability']:.3f}"
    return f"score {row['score']:.3f}"


def caption(row: dict[Any, Any]) -> str:
    """One line on a binary prediction: id, label, score and what is known beside."""
    truth = "real" if int(row["label"]) == 1 else "bogus"
    parts = [str(row["id"]), f"{truth}, {answer(row)}"]
    for name in ("artefact", "mission", "filter"):
        value = row.get(name)
        if value not in (None, "") and pd.notna(value):
            parts.append(str(value))
    if pd.notna(row.get("snr")):
        parts.append(f"S/N {row['snr']:.1f}")
    if pd.notna(row.get("in_domain")) and not row["in_domain"]:
        parts.append("outside the domain")
    return "; ".join(parts)
