"""The same work through every executor: equal datasets, a worker killed by signal 9 in each, and what each costs.

Claim: serial, processes, dask, submitit and four shards that are published prepare the same bytes, also where a process
is killed in the middle. Three kinds of work: a manifest of pairs, packets in one archive, light curves.
Run: ``python benchmarks/executors.py [pairs=24] [packets=20000] [curves=5000] [only=WAY]``; small sizes try it out,
0 leaves a kind out.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psutil

SHARDS = 4
WAYS = {
    "serial": ["executor=serial"],
    "processes": ["executor=processes", "executor.workers=2"],
    "dask": ["executor=dask", "executor.workers=2"],
    "submitit": ["executor=submitit", "executor.jobs=2"],
    "shards": ["executor=serial"],
}
WORKER = "astrid_ml.executors.serve"  # in the command line of every process that does units
ASTRID = [sys.executable, "-m", "astrid_ml"]
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


@dataclass
class Run:
    """One preparation.

    Args:
        wall: seconds of wall time.
        processor: seconds of processor time, of all processes.
        digest: of the dataset.
        killed: what was killed, or empty.
    """

    wall: float
    processor: float
    digest: str
    killed: str = ""


def write_packets(folder: Path, packets: int) -> None:
    """Packets of a survey in one archive, each a file of its own."""
    stamp = {"type": "record", "name": "stamp", "fields": [{"name": "stampData", "type": "bytes"}]}
    names = [("candid", "long"), ("jd", "double"), ("fid", "int"), ("ra", "double"), ("dec", "double")]
    candidate = {"type": "record", "name": "candidate", "fields": [{"name": n, "type": kind} for n, kind in names]}
    fields: list[dict[str, Any]] = [{"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"}]
    fields += [{"name": "candidate", "type": candidate}]
    fields += [{"name": key, "type": stamp if key == CUTOUTS[0] else "stamp"} for key in CUTOUTS]
    schema = fastavro.parse_schema({"type": "record", "name": "alert", "fields": fields})
    random = np.random.default_rng(0)
    cards = ["SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2"]
    cards += [f"NAXIS1  = {63:>20}", f"NAXIS2  = {63:>20}", "END"]
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    images = (random.normal(0, 9, (63, 63)).astype(">f4").tobytes() for _ in range(60))
    stamps = [gzip.compress(header + image.ljust(-(-len(image) // 2880) * 2880, b"\0")) for image in images]
    folder.mkdir()
    with tarfile.open(folder / "night.tar.gz", "w:gz", compresslevel=1) as archive:
        for number in range(packets):
            packet: dict[str, Any] = {"objectId": f"ZTF{number:07d}", "candid": number + 1}
            packet["candidate"] = {"candid": number + 1, "jd": 2459000.5, "fid": 1, "ra": 10.0, "dec": 5.0}
            packet |= {key: {"stampData": stamps[(number + 20 * n) % 60]} for n, key in enumerate(CUTOUTS)}
            content = io.BytesIO()
            fastavro.writer(content, schema, [packet])
            member = tarfile.TarInfo(f"{number:07d}.avro")
            member.size = content.tell()
            content.seek(0)
            archive.addfile(member, content)


def digest(store: Path) -> str:
    """Of all files of the one dataset in a store but the report of times and hosts."""
    (dataset,) = [path.parent for path in store.glob("*/dataset.json")]
    found = hashlib.sha256(dataset.name.encode())
    for path in sorted(dataset.rglob("*")):
        if path.is_file() and path.name != "report.json":
            found.update(path.relative_to(dataset).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:12]


def killed_once(main: psutil.Process, store: Path, whole: bool, hit: list[str]) -> None:
    """Kill a process that does units, once the first unit is done.

    Args:
        main: the command.
        store: in which units appear.
        whole: kill the command itself: a shard is a process of its own, and serial work without a guard too.
        hit: gets what was killed.
    """
    with suppress(psutil.Error):  # it may be gone before it is looked at
        while main.is_running() and main.status() != psutil.STATUS_ZOMBIE:
            if any(store.glob("units/[!.]*")):
                workers = [
                    child for child in main.children(recursive=True) if any(WORKER in w for w in child.cmdline())
                ]
                for process in [main] if whole else workers[:1]:
                    process.kill()
                    hit.append("the command" if whole else "a worker")
                    return
            time.sleep(0.01)


def command(folder: Path, words: Sequence[str], store: Path, kill: str) -> str:
    """Run a command; where it is killed itself, type it again. What was killed."""
    hit: list[str] = []
    for _ in range(2):
        main = subprocess.Popen([*ASTRID, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if kill and not hit:
            watch = threading.Thread(
                target=killed_once, args=(psutil.Process(main.pid), store, kill == "command", hit), daemon=True
            )
            watch.start()
        said = main.communicate()[1].decode(errors="replace")
        if main.returncode == 0:
            break
        if main.returncode != -9:
            raise SystemExit(f"{' '.join(words)}: exit code {main.returncode}\n{said[-2000:]}")
    return hit[0] if hit else ""


def prepared(folder: Path, raw: str, domain: str, way: str, kill: bool, more: Sequence[str]) -> Run:
    """Prepare a dataset in one way, and say what it took."""
    store = folder / f"{raw}-{way}-{kill}"
    words = ["prepare", f"preprocessing={domain}", f"paths.raw={raw}", f"paths.data={store.name}", *WAYS[way], *more]
    begun, before = time.monotonic(), spent()
    if way == "shards":
        hits = [
            command(folder, [*words, f"shard={number}/{SHARDS}"], store, "command" if kill and number == 2 else "")
            for number in range(1, SHARDS + 1)
        ]
        command(folder, ["publish", f"input={store.name}"], store, "")
        killed = next((hit for hit in hits if hit), "")
    else:
        killed = command(folder, words, store, "worker" if kill else "")
    return Run(time.monotonic() - begun, spent() - before, digest(store), killed)


def spent() -> float:
    """Processor seconds of all ended children and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(folder: Path, what: str, size: int, domain: str, ways: Sequence[str], more: Sequence[str] = ()) -> bool:
    """Print a line a way; whether all datasets are equal. ``more``: further words of the command."""
    marks, base = set(), Run(0.0, 0.0, "")
    for way in ways:
        quiet = prepared(folder, what, domain, way, False, more)
        hurt = prepared(folder, what, domain, way, True, more)
        base = base if base.digest else quiet
        marks |= {quiet.digest, hurt.digest}
        said = f"{hurt.killed} was killed" if hurt.killed else "ended before the kill"
        print(
            f"{what:12} {size:6} {way:10} {quiet.wall:7.1f} s {quiet.processor:7.1f} s  "
            f"{quiet.wall / base.wall:5.2f} {quiet.processor / base.processor:5.2f}  "
            f"{quiet.digest} {hurt.digest}  {said}",
            flush=True,
        )
    print(f"{what}: {'equal' if len(marks) == 1 else 'DIFFERENT'} datasets", flush=True)
    return len(marks) == 1


def main() -> None:
    """Print the table; exit code 1 where digests differ."""
    given = {"pairs": "24", "packets": "20000", "curves": "5000", "only": ""}
    given |= dict(word.split("=", 1) for word in sys.argv[1:])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ways = [way for way in WAYS if given["only"] in ("", way)]
    print(f"{'raw files':12} {'n':>6} {'way':10} {'wall':>9} {'processor':>9}  of serial   whole        after a kill")
    with tempfile.TemporaryDirectory() as name:
        folder, same = Path(name), True
        simulated = (("pairs", given["pairs"], "differencing"), ("lightcurves", given["curves"], "lightcurves"))
        for what, size, domain in simulated:
            if size == "0":
                continue
            words = ["simulate", f"what={what}", f"simulate.n={size}", f"output_dir={what}"]
            subprocess.run([*ASTRID, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            same &= compare(folder, what, int(size), domain, ways)
        if given["packets"] != "0":
            write_packets(folder / "packets", int(given["packets"]))
            same &= compare(folder, "packets", int(given["packets"]), "alerts", ways, ("label=none",))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
