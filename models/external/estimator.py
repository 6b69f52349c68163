"""An estimator in the manner of scikit-learn, made by a function that the user trusts."""

from __future__ import annotations

from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Floats32, Ints


class Estimator:
    """Fitted on the training fold of each round, on rows of pixels and features.

    Args:
        estimator: an object with ``fit(X, y)`` and ``predict_proba(X)``, fresh; X has a row a sample: all pixels, then
            the features. Give it its own seed: what draws without one is another at each run.

    Example:
        >>> from sklearn.naive_bayes import GaussianNB
        >>> made, images = Estimator(GaussianNB()), np.float32([[[[0, 1]]], [[[3, 4]]]])
        >>> made.fit(images, None, np.array([0, 1]))
        >>> made.scores(images, None).round(2).tolist()
        [0.0, 1.0]
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        absent = [name for name in ("fit", "predict_proba") if not callable(getattr(estimator, name, None))]
        if absent:
            got = f"{type(estimator).__name__} without {' and '.join(absent)}"
            fix = "let the function at model.program.estimator return such an object"
            raise UserError("an estimator with fit(X, y) and predict_proba(X)", got, fix)

    def digest(self) -> bytes:
        """Nothing: what it has learned stands nowhere."""
        return bytes(32)

    def fit(self, images: Floats32, features: Floats32 | None, labels: Ints) -> None:
        """See :class:`astrid_ml.contracts.programs.FittedProgram`."""
        self.estimator.fit(rows(images, features), labels)

    def scores(self, images: Floats32, features: Floats32 | None) -> Any:
        """The probability of class 1, (B,).

        Raises:
            UserError: another answer than a probability of either class for each sample.
        """
        answer = self.estimator.predict_proba(rows(images, features))
        classes = list(getattr(self.estimator, "classes_", (0, 1)))
        try:
            out = np.asarray(answer, dtype=np.float64)
            whole = out.shape == (len(images), 2) and bool(np.allclose(out.sum(1), 1.0, atol=1e-3))
        except (TypeError, ValueError):
            out, whole = np.empty(0), False
        if not whole or sorted(map(str, classes)) != ["0", "1"]:
            shown = f"of the classes {', '.join(map(str, classes))}" if whole else f"{np.shape(out)} for {len(images)}"
            fix = "let predict_proba give one column for 0 and one for 1, which add up to 1; both must be in training"
            raise UserError("two probabilities a sample of the estimator, of classes 0 and 1", shown, fix)
        return out[:, [str(one) for one in classes].index("1")]


def rows(images: Floats32, features: Floats32 | None) -> Floats32:
    """A row a sample: (B, C * H * W + F)."""
    flat: Floats32 = images.reshape(len(images), -1)
    return flat if features is None else np.concatenate([flat, features], axis=1).astype(np.float32)
