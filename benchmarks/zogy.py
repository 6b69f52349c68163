"""Speed of the subtraction core (D, S, S_corr) at 2048^2 on one thread, against the four real FFTs that it needs.

Run: ``python benchmarks/zogy.py [repeats]``. Prints the median of the interleaved ratios; the bound is 6.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch

from astrid_ml.preprocessing.differencing.subtract.zogy import zogy

N = 2048


def moffat(fwhm: float, size: int = 51) -> torch.Tensor:
    """Moffat stamp, beta 3.5, sum 1."""
    t = torch.arange(size) - size // 2
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / 3.5) - 1)
    stamp = (1 + (t[:, None] ** 2 + t[None, :] ** 2) / alpha2) ** -3.5
    return stamp / stamp.sum()


def main(repeats: int) -> float:
    """Median ratio of the core's time to the time of two forward and two inverse real FFTs."""
    torch.set_num_threads(1)
    psfs, ratios = (moffat(3.4), moffat(2.6)), []
    for seed in range(repeats + 1):
        torch.manual_seed(seed)
        n, r, v = torch.randn(N, N), torch.randn(N, N), torch.ones(N, N)
        start = time.perf_counter()
        for image in (n, r):
            torch.fft.irfft2(torch.fft.rfft2(image), s=(N, N))
        middle = time.perf_counter()
        zogy(n, r, psfs, (1.0, 1.0), (v, v), 1.25, 0.05)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    print(f"ratios: {[round(x, 2) for x in ratios[1:]]}")
    print(f"median ratio {statistics.median(ratios[1:]):.2f} (bound 6)")
    return statistics.median(ratios[1:])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
