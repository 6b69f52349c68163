"""How often blank sky of few photons goes beyond a threshold: by Poisson statistics, and by a Gaussian's.

Run: ``python benchmarks/differencing_counts.py``. One line of a table a sky and a sign: pixels beyond 3, 3.5 and 4
sigma of 2.07 million, by ``preprocessing/detect=poisson`` and by the same score over its standard deviation; what a
Gaussian has is in the head. A reference of three exposures; PSFs of 3.4 and 2.6 px FWHM. Counts of neighbouring pixels
are shared: a dozen are one alarm.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import norm

from astrid_ml.preprocessing.differencing.detect.poisson import (
    CountFilter,
    Counts,
    count_filter,
    count_score,
    tail_sigma,
)
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp

_SIDE, _EDGE, _DEEP = 1500, 30, 3.0
_SIGMAS = (3.0, 3.5, 4.0)
_PSFS = (gaussian_stamp(1.45, 25), gaussian_stamp(1.1, 25))


def limit(sky: float, weights: CountFilter, sigma: float, sign: float) -> float:
    """The score of a plain sky that is as rare as ``sigma``."""
    size, low, high = weights.science.shape[-1], 0.0, 1e3
    rates = (torch.full((1, size, size), sky), torch.full((1, size, size), _DEEP * sky))
    for _ in range(60):
        middle = (low + high) / 2
        enough = float(tail_sigma(torch.tensor([sign * middle]), rates, weights, sign)) >= sigma
        low, high = (low, middle) if enough else (middle, high)
    return high


def main() -> None:
    """The table."""
    expected = ", ".join(f"{(_SIDE - 2 * _EDGE) ** 2 * norm.sf(s):.0f}" for s in _SIGMAS)
    print(f"| sky, e- | sign | Poisson ({expected} expected) | Gaussian |\n|---|---|---|---|")
    for sky in (0.05, 0.2, 1.0, 5.0):
        rng = np.random.default_rng(1)
        planes = [torch.from_numpy(rng.poisson(m, (_SIDE, _SIDE)) - m).float() for m in (sky, _DEEP * sky)]
        counts = Counts(planes[0], planes[1], (sky, _DEEP * sky), _PSFS, 1 / _DEEP)
        weights = count_filter(counts, 5.0)
        score = count_score(counts, weights)[_EDGE:-_EDGE, _EDGE:-_EDGE]
        spread = float(sky * weights.science.square().sum() + _DEEP * sky * weights.reference.square().sum()) ** 0.5
        for sign in (1.0, -1.0):
            over = [
                [int((sign * score > value).sum()) for value in values]
                for values in ([limit(sky, weights, s, sign) for s in _SIGMAS], [s * spread for s in _SIGMAS])
            ]
            print(f"| {sky:g} | {sign:+.0f} | {' | '.join(', '.join(map(str, row)) for row in over)} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
