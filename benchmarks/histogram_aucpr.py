"""AUCPR of 1e8 scores in constant memory, against the exact value of the same scores.

Claim: within 1e-4 of exact, bracket included, in at most 64 MB of state. Run: ``python benchmarks/histogram_aucpr.py
[scores]``. The exact value sorts all logits, so 1e8 of them need about 5 GB.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from astrid_ml.metrics import HistogramAveragePrecision

CHUNK = 5_000_000


def main() -> None:
    """Print the bracket, the exact value and the state."""
    count = int(float(sys.argv[1])) if len(sys.argv) > 1 else 100_000_000
    random = np.random.default_rng(0)
    metric = HistogramAveragePrecision()
    logits, labels = np.empty(count, dtype=np.float32), np.empty(count, dtype=bool)
    seconds = 0.0
    for start in range(0, count, CHUNK):
        stop = min(start + CHUNK, count)
        labels[start:stop] = random.random(stop - start) < 0.01
        # A hundredth saturates at +-100, beyond the histogram's range.
        noise = random.normal(0, 2, stop - start)
        logits[start:stop] = 5 * labels[start:stop] - 4 + noise
        logits[start:stop][noise > 4.65] = 100
        started = time.perf_counter()
        metric.update(torch.from_numpy(logits[start:stop]), torch.from_numpy(labels[start:stop]))
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    low, estimate, high = metric.bracket()
    seconds += time.perf_counter() - started
    exact = exact_of(logits, labels)
    state = sum(part.element_size() * part.nelement() for part in (metric.positives, metric.negatives)) / 1e6
    print(f"{count} scores in {seconds:.1f} s, state {state:.0f} MB (bound 64 MB)")
    print(f"exact {exact:.7f}, bracket {low:.7f} .. {estimate:.7f} .. {high:.7f}, inside: {low <= exact <= high}")
    print(f"estimate - exact {estimate - exact:+.1e} (bound 1e-4), bracket's width {high - low:.1e}")


def exact_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """Exact average precision from the distinct logits' counts, with one sort in place."""
    real = np.sort(logits[labels])[::-1]
    values, counts = np.unique(-real, return_counts=True)
    logits[labels] = -np.inf
    logits.sort()
    below = np.searchsorted(logits, -values, side="left")
    false = len(logits) - below
    true = np.cumsum(counts)
    return float(np.sum(counts * true / (true + false)) / true[-1])


if __name__ == "__main__":
    main()
