"""How pure are positive detections? The negative ones say it, if what is false has either sign as often."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.stats import wilson

ASSUMES = (
    "false detections are as often negative as positive: noise, residuals and dipoles of two equal lobes; sources that "
    "faded count as false here, so that the purity is too low where many vary; what one image alone can hold (cosmic "
    "rays, ghosts, satellites; asymmetric dipoles) is of one sign and is not seen"
)


def purity(table: pd.DataFrame) -> dict[str, float]:
    """Share of true ones among unflagged positive detections, from the negative ones; by name, for ``quality.json``.

    With T true and F false positives, and F negatives, a share q = F / (T + 2 F) of all is negative, and the purity is
    (1 - 2 q) / (1 - q): as an interval, that of Wilson's interval of q, cut to 0 ... 1.

    Args:
        table: candidates, with ``sign`` and ``flags``.

    Returns:
        ``purity``, ``purity_low`` and ``purity_high`` (95 %), absent without a positive; ``purity_positives``,
        ``purity_negatives``, the numbers behind it.

    >>> signs = pd.DataFrame({"sign": [1] * 40 + [-1] * 4, "flags": 0})
    >>> {name: round(value, 3) for name, value in purity(signs).items()}
    {'purity_positives': 40.0, 'purity_negatives': 4.0, 'purity': 0.9, 'purity_low': 0.732, 'purity_high': 0.963}
    """
    clean = table["flags"].to_numpy(dtype=int) == 0
    sign = table["sign"].to_numpy(dtype=int)
    positive, negative = (int(np.count_nonzero(clean & (sign == s))) for s in (1, -1))
    out = {"purity_positives": float(positive), "purity_negatives": float(negative)}
    if not positive:
        return out
    every = positive + negative
    low, high = wilson(np.array([negative / every]), np.array([float(every)]))

    def of(share: float) -> float:
        return max(0.0, (1 - 2 * share) / (1 - share)) if share < 1 else 0.0

    return out | {
        "purity": of(negative / every),
        "purity_low": of(float(high[0])),
        "purity_high": of(float(low[0])),
    }
