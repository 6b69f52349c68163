"""The board over many runs of every domain: how long it takes to build, and to open in a headless Chromium.

python benchmarks/board.py [COUNT] [FOLDER]

One run of each domain is really trained, and copied with other seeds, rates, metrics and scores. Opening ends when the
leaderboard stands with its first rows; plots are drawn when they come into view.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from made.runs import copies, train_each

REPEATS = 5
CHROMIUM = "--headless=new --no-sandbox --disable-gpu --no-first-run --dump-dom".split()


def built(runs: Path, folder: Path) -> tuple[float, float, int]:
    """Wall and processor seconds of the command as it is typed, and the bytes that the page loads at first."""
    before, started = os.times(), time.perf_counter()
    words = ["board", f"runs=[{runs}]", f"output_dir={folder}"]
    subprocess.run([sys.executable, "-m", "astrid_ml", *words], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, os.times()
    first = sum((folder / name).stat().st_size for name in ("index.html", "board.js", "data/board.js"))
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, processor, first


def opened(page: Path) -> float | None:
    """Milliseconds until the leaderboard stands, the median of several; None without a browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        return None
    told = []
    with tempfile.TemporaryDirectory() as profile:
        for _ in range(REPEATS):
            command = [program, *CHROMIUM, f"--user-data-dir={profile}", page.as_uri()]
            dom = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            told += [float(text) for text in re.findall(r'data-ready="(\d+)"', dom)]
    return statistics.median(told)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        trained = [work / "trained" / name for name in ("triplets", "curves", "ramps", "sky")]
        if not all((run / "report.html").is_file() for run in trained):
            trained = train_each(work / "trained")
        shutil.rmtree(work / "copies", ignore_errors=True)
        copies(trained, work / "copies", count)
        wall, processor, first = built(work / "copies", work / "site")
        print(f"{count} runs: built in {wall:.1f} s, {processor:.1f} s of processor time")
        print(f"first load {first / 1e6:.1f} MB; vega.js {(work / 'site' / 'vega.js').stat().st_size / 1e6:.2f} MB")
        wait = opened(work / "site" / "index.html")
        print("no Chromium here" if wait is None else f"opened in {wait:.0f} ms, the median of {REPEATS}")


if __name__ == "__main__":
    main()
