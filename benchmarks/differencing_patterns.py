"""How surely two frames are aligned by the pattern of their sources, with no header.

Run: ``python benchmarks/differencing_patterns.py [pairs]`` (500). Pairs of lists with 10 or more sources in common: any
turn, either parity, scales to 20 %, offsets to 30 % of the frame, centroids of 0.05 px, a third of the sources foreign,
another order of brightness. Aligned: the map is off by no more than 0.05 px (rms over the common sources), or by twice
what the centroids of so few allow. Wrong: a map that is off by more than half a pixel anywhere.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import beta

from astrid_ml.preprocessing.differencing.stars.register import Register, mapped
from astrid_ml.types import Floats

_SIDE, _CENTROID, _COMMON, _GOOD, _WRONG = 1000, 0.05, 10, 0.05, 0.5  # px; sources


def drawn(rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """Two lists (n, 2), the true map (2, 3), and the places (m, 2) of what both hold."""
    turn, scale, parity = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.2), rng.choice([-1.0, 1.0])
    c, s, middle = scale * np.cos(turn), scale * np.sin(turn), np.full(2, _SIDE / 2)
    linear = np.array([[c, -s * parity], [s, c * parity]])
    true = np.column_stack([middle - linear @ middle + rng.uniform(-0.3, 0.3, 2) * _SIDE, linear])
    n = int(rng.integers(12, 120))
    places, flux = rng.uniform(0, _SIDE, (n, 2)), rng.pareto(1.0, n) + 1
    there = mapped(true, places)
    seen = ((there > 0) & (there < _SIDE)).all(1)
    foreign = rng.uniform(0, _SIDE, (n // 3, 2))
    second = np.concatenate([there[seen] + rng.normal(0, _CENTROID, (seen.sum(), 2)), foreign])
    bright = np.concatenate([flux[seen] * rng.normal(1, 0.2, seen.sum()), rng.pareto(1.0, len(foreign)) + 1])
    first = (places + rng.normal(0, _CENTROID, places.shape))[np.argsort(-flux * rng.normal(1, 0.1, n))]
    return first, second[np.argsort(-bright)], true, places[seen]


def main(pairs: int) -> None:
    """The line."""
    rng, counts = np.random.default_rng(17), {"aligned": 0, "coarser": 0, "refused": 0, "wrong": 0}
    least, tried = [], 0
    while tried < pairs:
        first, second, true, common = drawn(rng)
        if len(common) < _COMMON:
            continue
        tried += 1
        found = Register()(first, second, (_SIDE, _SIDE))
        if found is None:
            counts["refused"] += 1
            continue
        off = mapped(found.map, common) - mapped(true, common)
        rms = float(np.sqrt(np.mean(off**2)))
        allowed = 2 * _CENTROID * np.sqrt(2 * 3 / found.matched)
        name = "wrong" if np.abs(off).max() > _WRONG else "aligned" if rms <= max(_GOOD, allowed) else "coarser"
        counts[name] += 1
        least.append(rms)
    low = float(beta.ppf(0.05, counts["aligned"], pairs - counts["aligned"] + 1))
    print(f"{pairs} pairs: {counts}; lower bound of 95 % {100 * low:.1f} %; rms {np.percentile(least, (50, 95))} px")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
