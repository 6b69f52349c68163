"""Images of an archive, many at a time, 1,000 targets planned, and whole runs, against a server on this machine.

Claims: eight downloads at a time are at least 4 times as fast as one after another where each answer takes 200 ms;
1,000 targets of 20 observations each are planned in less than 5 s of one processor, without a network;
``order=per_object`` takes at most 1.2 GB at 2048 x 2048 px, whatever the number of supernovae (the command fails where
it takes more); a run that has nothing to do takes at most 3 s of a processor.
Run: ``python benchmarks/acquisition.py [FILES] [TARGETS] [SIDE]``: 32, 1,000 and 2048 px by default; some minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.files.bring import BringFiles
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target

LATENCY = 0.2  # seconds
SUPERNOVAE = (1, 2, 3, 5)
MOST = 1.2  # GB


class Slow(BaseHTTPRequestHandler):
    """Every path is one image, after a while."""

    content = b""

    def do_GET(self) -> None:
        time.sleep(LATENCY)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def downloads(files: int, at_once: int) -> float:
    """Seconds that so many files take."""
    with tempfile.TemporaryDirectory() as place:
        fits.PrimaryHDU(np.zeros((256, 256), "f4")).writeto(Path(place, "a.fits"))
        Slow.content = Path(place, "a.fits").read_bytes()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_address[1]}"
        products = [Product("a", f"{n}.fits", f"http://{host}/{n}.fits", len(Slow.content)) for n in range(files)]
        begun = time.perf_counter()
        bring = BringFiles(ArchiveClient(hosts={host: 1000.0}), at_once=at_once, keep_free=0)
        done = bring(products, Path(place, "raw"))
        seconds = time.perf_counter() - begun
        server.shutdown()
        server.server_close()
        assert len(done.files) == files and not done.failed
        return seconds


def planning(targets: int) -> float:
    """Processor seconds to choose pairs among 20 observations of each target."""
    rng = np.random.default_rng(0)
    choose, spent = ChoosePairs(), 0.0
    plans = []
    for number in range(targets):
        ra, dec = rng.uniform(0, 360), rng.uniform(-60, 60)
        east = 0.1 / np.cos(np.radians(dec))
        corners = [(-east, -0.1), (east, -0.1), (east, 0.1), (-east, 0.1)]
        edge = "POLYGON ICRS " + " ".join(f"{ra + x} {dec + y}" for x, y in corners)
        days = rng.uniform(-1000, 1000, 20)
        bands = rng.choice(["U", "B"], 20)
        seen = [
            Observation("a", "swift", str(band), str(n), ra, dec, 56000 + day, 56000 + day, 100.0, None, edge)
            for n, (band, day) in enumerate(zip(bands, days, strict=True))
        ]
        start = time.process_time()
        plans.append(choose(Target(str(number), ra, dec, 56000.0), seen))
        spent += time.process_time() - start
    assert sum(bool(plan.kept) for plan in plans) > targets / 2
    return spent


def acquired(folder: Path, supernovae: int, side: int, stage: str) -> tuple[float, float]:
    """Seconds of a processor, and GB at the most, of one command; of its own process, as users run it."""
    simulate = f"acquisition.play.simulate.n={supernovae} acquisition.play.simulate.nights=2"
    words = [
        *simulate.split(),
        f"acquisition.play.simulate.shape=[{side},{side}]",
        f"output_dir={folder}",
        "acquisition.search.radius=1",
    ]
    command = [sys.executable, "-m", "astrid_ml", "acquire", "acquisition=demo", "order=per_object", f"stage={stage}"]
    process = subprocess.Popen([*command, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    assert stage == "query" or list((folder / "training_triplets").glob("*.npy")), "nothing was cut"
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6


def runs(side: int) -> None:
    """Print the memory of runs with more and more supernovae, and how long one more run takes.

    Raises:
        SystemExit: one took more than is claimed.
    """
    peaks = []
    for supernovae in SUPERNOVAE:
        with tempfile.TemporaryDirectory() as place:
            acquired(Path(place), supernovae, side, "query")  # simulates the archive
            seconds, most = acquired(Path(place), supernovae, side, "all")
            again, _ = acquired(Path(place), supernovae, side, "all")
        peaks.append(most)
        words = f"{seconds:.0f} s of a processor, {most:.2f} GB, claimed {MOST}; once more {again:.1f} s, claimed 3"
        print(f"{supernovae} supernovae at {side} x {side} px, object by object: {words}", flush=True)
    if side == 2048 and max(peaks) > MOST:
        raise SystemExit(f"{max(peaks):.2f} GB are more than {MOST}")


def main() -> None:
    """Print all measures."""
    files, targets, side = (int(text) for text in (*sys.argv[1:], *("32", "1000", "2048")[len(sys.argv) - 1 :]))
    one, many = downloads(files, 1), downloads(files, 8)
    print(f"{files} files at {LATENCY * 1000:.0f} ms: one after another {one:.2f} s, eight at a time {many:.2f} s")
    print(f"ratio {one / many:.1f}, claimed 4")
    print(f"{targets} targets of 20 observations planned in {planning(targets):.2f} s of a processor")
    runs(side)


if __name__ == "__main__":
    main()
