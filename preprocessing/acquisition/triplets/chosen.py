"""Bogus candidates as bright as the real ones, chosen without chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from astrid_ml.types import Floats


def matched(real: Floats, pool: Floats, each: float, factor: float) -> tuple[list[int], int]:
    """Candidates whose S/N is that of the real ones: each is taken once, the nearest in the logarithm first.

    Args:
        real: (n,) S/N above 0.
        pool: (m,) of the candidates.
        each: how many are wanted for a real one, on average.
        factor: largest ratio of the two S/N, either way.

    Returns:
        places in the pool, ascending; how many are wanting.

    Example:
        >>> matched(np.array([10.0, 30.0]), np.array([9.0, 100.0, 28.0, 12.0]), 1, 2.0)
        ([0, 2], 0)
    """
    wanted = round(each * len(real))
    turns: Sequence[int] = np.argsort(-real, kind="stable").tolist()
    left, taken, short = set(range(len(pool))), list[int](), 0
    for turn in range(wanted):
        snr = real[turns[turn % len(turns)]]
        near = [(abs(float(np.log(pool[k] / snr))), k) for k in left]
        distance, best = min(near, default=(np.inf, -1))
        if distance > np.log(factor):
            short += 1
            continue
        left.remove(best)
        taken.append(best)
    return sorted(taken), short
