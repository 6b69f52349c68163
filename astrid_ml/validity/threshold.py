"""From which distance on a sample is too far: most held-out samples, and most of either class, are not."""

from __future__ import annotations

import numpy as np

from astrid_ml.types import Array, Floats

OF_EACH = 0.95  # share of either class that lies inside
LEAST = 19  # samples of a class from which that share can be told


def threshold_of(distances: Floats, share: float, labels: Array | None = None) -> float:
    """The least distance beyond which a new sample lies no more often than asked for.

    So many of m held-out samples lie beyond it that a new one is inside with the share's probability (split conformal,
    Vovk et al. 2005). A rare class lies further out than the common one; it would lose far more samples to one
    threshold for both, and these are the ones that a survey looks for.

    Args:
        distances: of held-out samples, (m,).
        share: of new samples that lie inside.
        labels: 0 or 1 of each, NaN where nobody knows, (m,); None: one share for all.

    Example:
        >>> found = np.r_[np.linspace(1, 2, 980), np.linspace(3, 4, 20)]
        >>> round(threshold_of(found, 0.98), 2), threshold_of(found, 0.98, np.r_[np.zeros(980), np.ones(20)])
        (3.0, 4.0)
    """
    found = _kept(distances, share)
    for label in (0, 1) if labels is not None else ():
        of_class = distances[labels == label]
        if len(of_class) >= LEAST:
            found = max(found, _kept(of_class, OF_EACH))
    return found


def _kept(distances: Floats, share: float) -> float:
    ordered = np.sort(distances)
    return float(ordered[min(int(np.ceil(share * (len(ordered) + 1))), len(ordered)) - 1])
