"""SNANA HEAD/PHOT to parquet: 10,000 objects of 150 epochs, against sncosmo and per-object assembly.

Claims: at least 6 times as fast, at most half the peak of anonymous memory, equal values.
Run: ``python benchmarks/lightcurve_ingest.py [objects] [repeats]``. sncosmo is no dependency of this project; it builds
from source in seconds: ``pip install --no-deps --target FOLDER sncosmo extinction looseversion`` and
``SNCOSMO=FOLDER``. Without it the other route is the same assembly from astropy tables, and the output says so.
Each route runs in a process of its own on one core; seconds are the processor's, without imports; memory is with them.

``python benchmarks/lightcurve_ingest.py alerts [packets]`` makes a folder of Rubin's packets, one alert a file, and
converts it with one process and with two: seconds by the clock of the whole command, the most anonymous memory of all
its processes at once, and whether the parts are the same bytes.
"""

from __future__ import annotations

import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.types import Array

EPOCHS = 150
# Processor seconds: on one core they are what a quiet machine's wall clock shows, and other work does not change them.
clock = time.process_time
FLOATS = (
    "PHOTPROB", "PSF_SIG1", "PSF_SIG2", "PSF_RATIO", "SKY_SIG", "SKY_SIG_T", "RDNOISE", "ZEROPT", "ZEROPT_ERR", "GAIN",
    "SIM_MAGOBS",
)  # fmt: skip
LISTS = ("mjd", "flux", "flux_err", "phot_flag")
COLUMNS = {"mjd": "MJD", "flux": "FLUXCAL", "flux_err": "FLUXCALERR", "phot_flag": "PHOTFLAG"}


def make_files(folder: Path, objects: int) -> Path:
    """A pair with the columns of an ELAsTiCC release; every curve in time order."""
    from astropy.io import fits

    from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES

    random = np.random.default_rng(0)
    rows = objects * (EPOCHS + 1)
    end = np.arange(1, rows + 1) % (EPOCHS + 1) == 0
    band = np.array([b"u ", b"g ", b"r ", b"i ", b"z ", b"Y "])[random.integers(0, 6, rows)]
    mjd = 60000 + np.sort(random.uniform(0, 1000, (objects, EPOCHS + 1)), axis=1).ravel()
    flux, error = random.normal(0, 100, rows), random.uniform(1, 50, rows)
    phot = {
        "MJD": ("D", np.where(end, -777.0, mjd)),
        "BAND": ("2A", np.where(end, b"- ", band)),
        "CCDNUM": ("I", np.zeros(rows)),
        "FIELD": ("12A", np.where(end, b"XXXX", b"WFD")),
        "PHOTFLAG": ("J", np.where(end, 0, random.choice([0, 4096], rows))),
        "FLUXCAL": ("E", np.where(end, -777.0, flux)),
        "FLUXCALERR": ("E", np.where(end, -777.0, error)),
        **{name: ("E", np.ones(rows)) for name in FLOATS},
    }  # fmt: skip
    last = np.arange(1, objects + 1) * (EPOCHS + 1) - 1
    head = {
        "SNID": ("16A", np.array([str(7_000_000 + k) for k in range(objects)])),
        "NOBS": ("J", np.full(objects, EPOCHS)),
        "PTROBS_MIN": ("J", last - EPOCHS + 1),
        "PTROBS_MAX": ("J", last),
        **{name: ("E", random.uniform(0, 1, objects)) for name in OTHER_FEATURES},
        **{f"HOSTGAL2_{k}": ("E", np.full(objects, -999.0)) for k in range(40)},
    }
    for name, columns in (("HEAD", head), ("PHOT", phot)):
        made = [fits.Column(key, kind, array=values) for key, (kind, values) in columns.items()]
        primary = fits.PrimaryHDU(header=fits.Header({"SURVEY": "LSST", "VERSION": "ELASTICC2_TRAIN_02_EB"}))
        fits.HDUList([primary, fits.BinTableHDU.from_columns(made)]).writeto(folder / f"a_{name}.FITS")
    return folder / "a_HEAD.FITS"


def ours(head: Path, target: Path) -> float:
    """The project's own way, one process."""
    from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertJob, convert_one
    from astrid_ml.preprocessing.lightcurves.readers.recognise import recognise

    import_everything()
    started = clock()
    source = recognise(head)
    assert source is not None
    convert_one(ConvertJob(source, target, {}, 2000))
    return clock() - started


def import_everything() -> None:
    """What the first call would import."""
    import astropy.io.fits
    import pandas as pd
    import pyarrow.parquet

    del astropy, pyarrow, pd


def per_object(head: Path, target: Path) -> float:
    """sncosmo's curves (or slices of an astropy table), a dictionary an object, one table of them to parquet."""
    import pandas as pd

    tables = curves_of_sncosmo if has_sncosmo() else curves_of_astropy
    import_everything()
    started = clock()
    records = []
    for meta, curve in tables(head):
        band = [str(value).strip() for value in np.asarray(curve["BAND"]).astype(str)]
        record = {name.lower(): value for name, value in meta.items() if not isinstance(value, bytes)}
        record["object_id"] = text(meta["SNID"])
        records.append({**record, "band": band, **{name: np.asarray(curve[key]) for name, key in COLUMNS.items()}})
    pd.DataFrame(records).to_parquet(target, index=False)
    return clock() - started


def text(value: Any) -> str:
    """Bytes or text without padding."""
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()


def has_sncosmo() -> bool:
    """Whether sncosmo can be imported, from the folder SNCOSMO if it is set."""
    if os.environ.get("SNCOSMO"):
        sys.path.append(os.environ["SNCOSMO"])
    try:
        import sncosmo
    except ImportError:
        return False
    return bool(sncosmo)


def curves_of_sncosmo(head: Path) -> Any:
    """(meta, table) of each object."""
    import sncosmo

    curves = sncosmo.read_snana_fits(str(head), str(head).replace("HEAD", "PHOT"))
    return ((curve.meta, swapped(curve)) for curve in curves)


def swapped(curve: Any) -> dict[str, Array]:
    """The needed columns in this machine's byte order."""
    wanted = {name: np.asarray(curve[name]) for name in (*COLUMNS.values(), "BAND")}
    return {name: values.astype(values.dtype.newbyteorder("=")) for name, values in wanted.items()}


def curves_of_astropy(head: Path) -> Any:
    """The same by slices of two astropy tables."""
    from astropy.table import Table

    objects, rows = Table.read(head, hdu=1), Table.read(str(head).replace("HEAD", "PHOT"), hdu=1)
    for k in range(len(objects)):
        meta = dict(zip(objects.colnames, objects[k], strict=True))
        yield meta, swapped(rows[meta["PTROBS_MIN"] - 1 : meta["PTROBS_MAX"]])


def run(route: str, head: Path, target: Path) -> tuple[float, float]:
    """Seconds and peak anonymous MB of a route in a process of its own, which is looked at every 5 ms."""
    call = [sys.executable, __file__, "--route", route, str(head), str(target)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, env=environment) as process:
        status, peak = Path(f"/proc/{process.pid}/status"), 0.0
        while process.poll() is None:
            lines = status.read_text().splitlines()
            peak = max(peak, *(float(line.split()[1]) / 1e3 for line in lines if line.startswith("RssAnon")), 0.0)
            time.sleep(0.005)
        assert process.stdout is not None
        return float(process.stdout.read().split()[-1]), peak


def equal(mine: Path, theirs: Path) -> bool:
    """Whether both files hold the same objects with the same epochs."""
    import pandas as pd

    one, two = (pd.read_parquet(path).set_index("object_id") for path in (mine, theirs))
    if list(one.index) != list(two.index):
        return False
    lists = all(
        np.array_equal(np.concatenate(one[n].to_numpy()), np.concatenate(two[n].to_numpy())) for n in (*LISTS, "band")
    )
    static = [str(name) for name in one if str(name).lower() in two and one[name].dtype.kind == "f"]
    return lists and all(np.allclose(one[name], two[name.lower()], rtol=1e-6) for name in static)


POINT = {
    "diaSourceId": "long", "diaObjectId": "long", "midpointMjdTai": "double", "band": "string", "psfFlux": "float",
    "psfFluxErr": "float",
}  # fmt: skip


def make_packets(folder: Path, packets: int, each: int = 10) -> None:
    """A file an alert, ``each`` alerts an object, those of an object far apart; each brings all earlier sources."""
    import fastavro

    source = {"type": "record", "name": "s", "fields": [{"name": n, "type": kind} for n, kind in POINT.items()]}
    history: Any = ["null", {"type": "array", "items": "s"}]
    thing = {"type": "record", "name": "o", "fields": [{"name": name, "type": "double"} for name in ("ra", "dec")]}
    kinds = {"diaSource": source, "prvDiaSources": history, "prvDiaForcedSources": history, "diaObject": thing}
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    schema = fastavro.parse_schema({"type": "record", "name": "alert", "fields": fields})
    random, objects = np.random.default_rng(0), packets // each
    for number in range(objects):
        mjd = 60000 + np.sort(random.uniform(0, 100, each))
        values = [(number * each + k, number + 1, mjd[k], "ugrizy"[k % 6], 1e3 + k, 5.0) for k in range(each)]
        points = [dict(zip(POINT, value, strict=True)) for value in values]
        for k, point in enumerate(points):
            alert = {"diaSource": point, "prvDiaSources": points[:k] or None, "prvDiaForcedSources": None}
            with (folder / f"{k}-{number * 7919 % objects:07d}.avro").open("wb") as stream:
                fastavro.writer(stream, schema, [{**alert, "diaObject": {"ra": 1.0, "dec": 2.0}}])


def anonymous(process: int) -> float:
    """MB of a process and of those that it started."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:  # it has ended
        return 0.0
    own = next((float(line.split()[1]) / 1e3 for line in lines if line.startswith("RssAnon")), 0.0)
    return own + sum(anonymous(int(child)) for child in children)


def of_alerts(packets: int) -> None:
    """Convert a folder of packets with one process and with two."""
    with tempfile.TemporaryDirectory() as name:
        raw, parts = Path(name) / "raw", []
        raw.mkdir()
        make_packets(raw, packets)
        print(f"{packets:,} packets, {sum(path.stat().st_size for path in raw.iterdir()) / 1e6:,.0f} MB")
        for workers in (1, 2):
            out = Path(name) / f"out{workers}"
            words = [f"input={raw}", f"output_dir={out}", "executor=processes", f"executor.workers={workers}"]
            started, peak = time.perf_counter(), 0.0
            with subprocess.Popen([sys.executable, "-m", "astrid_ml", "convert", *words]) as process:
                while process.poll() is None:
                    peak = max(peak, anonymous(process.pid))
                    time.sleep(0.05)
            seconds = time.perf_counter() - started
            print(f"{workers} processes: {seconds:.0f} s, {packets / seconds:,.0f} packets/s, {peak:,.0f} MB")
            parts.append({path.name: path.read_bytes() for path in sorted((out / "objects").iterdir())})
        print(f"{len(parts[0])} parts, the same bytes:", parts[0] == parts[1])


def main() -> None:
    """Interleaved repeats; medians."""
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        head = make_files(folder, objects)
        zipped = folder / "gz" / f"{head.name}.gz"
        zipped.parent.mkdir()
        for kind in ("HEAD", "PHOT"):
            with (
                (folder / f"a_{kind}.FITS").open("rb") as plain,
                gzip.open(zipped.with_name(f"a_{kind}.FITS.gz"), "wb", 3) as packed,
            ):
                shutil.copyfileobj(plain, packed)
        figures: dict[str, list[tuple[float, float]]] = {"ours": [], "per object": [], "ours, gzipped": []}
        for _ in range(repeats):
            figures["per object"].append(run("per_object", head, folder / "theirs.parquet"))
            figures["ours"].append(run("ours", head, folder / "ours.parquet"))
            figures["ours, gzipped"].append(run("ours", zipped, folder / "zipped.parquet"))
        print("the other route:", "sncosmo" if has_sncosmo() else "astropy tables (no sncosmo here)")
        for route, measured in figures.items():
            seconds = statistics.median(m[0] for m in measured)
            print(f"{route}: {seconds:.2f} s, {objects / seconds:,.0f} objects/s, {max(m[1] for m in measured):.0f} MB")
        ratio = statistics.median(b[0] / a[0] for a, b in zip(figures["ours"], figures["per object"], strict=True))
        memory = max(m[1] for m in figures["ours"]) / max(m[1] for m in figures["per object"])
        print(f"{ratio:.1f}x as fast (bound 6x), {memory:.2f} of the memory (bound 0.5)")
        same = [equal(folder / f"{n}.parquet", folder / "theirs.parquet") for n in ("ours", "zipped")]
        print("equal values:", all(same))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--route"]:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, pyarrow's threads included
        routes = {"ours": ours, "per_object": per_object}
        print(routes[sys.argv[2]](Path(sys.argv[3]), Path(sys.argv[4])))
    elif sys.argv[1:2] == ["alerts"]:
        of_alerts(int(sys.argv[2]) if len(sys.argv) > 2 else 200_000)
    else:
        main()
