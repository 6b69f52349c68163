"""The report of a large run beside one matplotlib figure of the same curves.

The page's plots are written as text; the bound is what drawing them with matplotlib would take. Prints the ratio of
medians over interleaved repeats, and the size of the page without its sample pictures.

    python benchmarks/report.py [--samples 100000] [--repeats 5]
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report.content import RunReport
from astrid_ml.report.write import write_report
from astrid_ml.tracking.figures import tracker_figures


def evaluated(samples: int) -> EvaluationResult:
    """An evaluation of simulated scores at 10 % prevalence."""
    random = np.random.default_rng(0)
    label = (random.random(samples) < 0.1).astype(int)
    score = 1 / (1 + np.exp(-random.normal(size=samples) - 3 * label + 2))
    table = pd.DataFrame({"label": label, "score": score, "probability": score, "threshold": 0.5})
    table["decision"] = (table["probability"] >= 0.5).astype(int)
    table["group_id"] = np.arange(samples) // 2
    table["mission"] = random.choice(["ZTF", "PS1", "SWIFT", "GALEX"], samples)
    return BinaryEvaluation(Bootstrap(replicates=20)).evaluate(table)


def matplotlib_figures(result: EvaluationResult) -> None:
    """PR curve and reliability diagram, as PNG."""
    for draw in tracker_figures({"test": result}).values():
        draw().savefig(io.BytesIO(), format="png", dpi=110)


def seconds(action: Callable[[], None]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    result = evaluated(chosen.samples)
    report = RunReport("benchmark", {"name": "benchmark"}, {"test": result, "val": result})
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        actions: list[Callable[[], None]] = [lambda: write_report(page, report), lambda: matplotlib_figures(result)]
        for action in actions:
            action()
        times = [[seconds(action) for action in actions] for _ in range(chosen.repeats)]
        size = page.stat().st_size / 1024
    own, peer = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"report.html of {chosen.samples:,} samples: {own * 1e3:.0f} ms, {size:.0f} kB")
    print(f"two figures of it by matplotlib: {peer * 1e3:.0f} ms; ratio {peer / own:.1f}")


if __name__ == "__main__":
    main()
