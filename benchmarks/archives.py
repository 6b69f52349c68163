"""Packets of one tar.gz through ``prepare``: memory against packets done, their speed, what the guarded process costs.

Claim: memory does not grow with the archive; a process of its own that holds limits costs at most 5 % of packets/s.
Run: ``python benchmarks/archives.py [PACKETS] [FIGURE.png]``: 50,000 packets by default; what it writes is removed.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psutil

from astrid_ml.executors.contract import Executor
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.executors.memory import anonymous
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.types import Array

STAMPS = 150  # different ones; every packet has three of them
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def fits_bytes(image: Array) -> bytes:
    """One HDU with the header of a ZTF cutout."""
    cards = ["SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2"]
    cards += [f"NAXIS1  = {image.shape[1]:>20}", f"NAXIS2  = {image.shape[0]:>20}", "BUNIT   = 'DN      '", "END"]
    data = image.astype(">f4").tobytes()
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode() + data + b"\0" * (-len(data) % 2880)


def make_archive(path: Path, packets: int) -> None:
    """A tar.gz of Avro files of one packet each, as a night of a survey is published."""
    stamp = {"type": "record", "name": "stamp", "fields": [{"name": "stampData", "type": "bytes"}]}
    names = [("candid", "long"), ("jd", "double"), ("fid", "int"), ("ra", "double"), ("dec", "double")]
    candidate = {"type": "record", "name": "candidate", "fields": [{"name": n, "type": kind} for n, kind in names]}
    fields: list[dict[str, Any]] = [{"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"}]
    fields += [{"name": "candidate", "type": candidate}]
    fields += [{"name": key, "type": stamp if key == CUTOUTS[0] else "stamp"} for key in CUTOUTS]
    schema = fastavro.parse_schema({"type": "record", "name": "alert", "fields": fields})
    random = np.random.default_rng(0)
    stamps = [gzip.compress(fits_bytes(random.normal(0, 9, (63, 63)))) for _ in range(STAMPS)]
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for number in range(packets):
            packet: dict[str, Any] = {"objectId": f"ZTF{number:07d}", "candid": number + 1}
            packet["candidate"] = {"candid": number + 1, "jd": 2459000.5, "fid": 1, "ra": 10.0, "dec": 5.0}
            for shift, key in enumerate(CUTOUTS):
                packet[key] = {"stampData": stamps[(number + 50 * shift) % STAMPS]}
            content = io.BytesIO()
            fastavro.writer(content, schema, [packet])
            member = tarfile.TarInfo(f"{number:07d}.avro")
            member.size = content.tell()
            content.seek(0)
            archive.addfile(member, content)


@dataclass
class Watch:
    """Anonymous memory of this process and of all that it started, against the units that are done.

    Args:
        units: the folder in which they appear; None where memory alone is asked for.
        done: how many there were when it was looked at.
        gigabytes: what the processes held together.
    """

    units: Path | None = None
    done: list[int] = field(default_factory=list)
    gigabytes: list[float] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        own = psutil.Process()
        while not self._ended.wait(0.25):
            family = [own.pid, *(child.pid for child in own.children(recursive=True))]
            self.done.append(sum(1 for _ in self.units.glob("[!.]*")) if self.units else 0)
            self.gigabytes.append(sum(anonymous(process) or 0 for process in family) / 1e9)


def done_packets(watch: Watch, packets: int) -> list[float]:
    """Packets that were done at each look; all units but the last hold as many."""
    last = max(watch.done, default=0)
    return [packets * done / max(last, 1) for done in watch.done]


def slope(watch: Watch, packets: int) -> float:
    """MB by which the memory grows in 10,000 packets, of a line through what stands behind the first fifth of them."""
    done, held = np.array(done_packets(watch, packets)), np.array(watch.gigabytes)
    later = done >= packets / 5
    if np.ptp(done[later]) <= 0 if later.any() else True:
        return float("nan")
    return float(np.polyfit(done[later], held[later], 1)[0]) * 1e4 * 1e3


def draw(path: Path, watched: dict[str, Watch], packets: int) -> None:
    """Memory of each way against the packets that are done."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, watch in watched.items():
        axes.plot(done_packets(watch, packets), watch.gigabytes, label=name, linewidth=1.5)
    axes.set(
        xlabel="packets done",
        ylabel="anonymous memory (GB)",
        ylim=(0, None),
        title=f"{packets:,} packets in one tar.gz",
    )
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
    axes.legend(frameon=False, ncols=3, loc="upper center")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print a line for each way."""
    packets = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ways: dict[str, Executor] = {
        "in this process": Serial(),
        "serial, guarded": Serial(Limits()),
        "two processes": Processes(2),
    }
    watched: dict[str, Watch] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_archive(folder / "night.tar.gz", packets)
        size = (folder / "night.tar.gz").stat().st_size / 1e9
        print(f"{packets} packets, {size:.2f} GB", flush=True)
        for way, executor in ways.items():
            with Watch(folder / way / "units") as watch:
                begun = time.perf_counter()
                made = prepare_dataset(
                    AlertsPipeline(),
                    [folder / "night.tar.gz"],
                    folder / way,
                    name="night",
                    executor=executor,
                    progress=False,
                )
                took = time.perf_counter() - begun
            watched[way] = watch
            half = len(watch.gigabytes) // 2
            first, second = max(watch.gigabytes[:half], default=0.0), max(watch.gigabytes[half:], default=0.0)
            print(
                f"{way:16s} {packets / took:6.0f} packets/s  peak {max(watch.gigabytes):.2f} GB "
                f"(first half {first:.2f}, second {second:.2f}; {slope(watch, packets):+.1f} MB in 10,000 packets)  "
                f"{made.path.name}",
                flush=True,
            )
    if len(sys.argv) > 2:
        draw(Path(sys.argv[2]), watched, packets)


if __name__ == "__main__":
    main()
