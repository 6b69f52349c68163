"""One manifest through every executor: equal datasets, a worker killed by signal 9 in each, and what each costs.

Claim: serial, processes, dask and submitit prepare the same bytes, also where a worker is killed in the middle.
Run: ``python benchmarks/executors.py [PAIRS] [CURVES]``: 24 pairs and 5,000 curves by default; 4 and 200 are fewer.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

WAYS = {
    "serial": ["executor=serial"],
    "processes": ["executor=processes", "executor.workers=2"],
    "dask": ["executor=dask", "executor.workers=2"],
    "submitit": ["executor=submitit", "executor.jobs=2"],
}
# What a worker's command line holds: the process that does units, in every executor.
WORKER = "astrid_ml.executors.serve"
ASTRID = [sys.executable, "-m", "astrid_ml"]


def killed_once(main: psutil.Process, store: Path) -> bool:
    """Kill a process that does units, once the first unit is done."""
    while main.is_running() and main.status() != psutil.STATUS_ZOMBIE:
        if any(store.glob("units/[!.]*")):
            for child in main.children(recursive=True):
                if any(WORKER in word for word in child.cmdline()):
                    child.kill()
                    return True
        time.sleep(0.02)
    return False


def digest(store: Path) -> str:
    """Of all files of the one dataset in a store but the report of times and hosts."""
    (dataset,) = [path.parent for path in store.glob("*/dataset.json")]
    found = hashlib.sha256(dataset.name.encode())
    for path in sorted(dataset.rglob("*")):
        if path.is_file() and path.name != "report.json":
            found.update(path.relative_to(dataset).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:12]


def prepared(folder: Path, raw: str, domain: str, way: str, kill: bool) -> tuple[float, str, bool]:
    """Seconds of wall time, digest, and whether a worker was killed."""
    store = folder / f"{raw}-{way}-{kill}"
    words = ["prepare", f"preprocessing={domain}", f"paths.raw={raw}", f"paths.data={store.name}", *WAYS[way]]
    begun, hit = time.monotonic(), [False]
    main = subprocess.Popen([*ASTRID, *words], cwd=folder, stdout=subprocess.DEVNULL)
    if kill:
        process = psutil.Process(main.pid)
        thread = threading.Thread(target=lambda: hit.__setitem__(0, killed_once(process, store)), daemon=True)
        thread.start()
    if main.wait():
        raise SystemExit(f"{way}: exit code {main.returncode}")
    return time.monotonic() - begun, digest(store), hit[0]


def main() -> None:
    """Print the table; exit code 1 where digests differ."""
    pairs, curves = [int(word) for word in (*sys.argv[1:3], *("24", "5000")[len(sys.argv) - 1 :])]
    with tempfile.TemporaryDirectory() as name:
        folder, same = Path(name), True
        for what, n, domain in (("pairs", pairs, "differencing"), ("lightcurves", curves, "lightcurves")):
            words = ["simulate", f"what={what}", f"simulate.n={n}", f"output_dir={what}"]
            subprocess.run([*ASTRID, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            marks, base = set(), 0.0
            for way in WAYS:
                seconds, mark, _ = prepared(folder, what, domain, way, False)
                _, after, hit = prepared(folder, what, domain, way, True)
                marks |= {mark, after}
                base = base or seconds
                print(f"{what:12} {n:6} {way:10} {seconds:7.1f} s {seconds / base:5.2f} of serial  {mark} {after} "
                      f"{'a worker was killed' if hit else 'ended before the kill'}", flush=True)  # fmt: skip
            same = same and len(marks) == 1
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
