"""Every kind of file that a user gives: how a sound one is made, and what reads it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import shutil
import tarfile
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
from astropy.io import fits
from kind import SAID, Counts, FileKind, through
from kinds_of_curves import KINDS as CURVES
from kinds_of_images import KINDS as IMAGES
from kinds_of_packets import KINDS as PACKETS
from kinds_of_ramps import KINDS as RAMPS
from kinds_of_records import KINDS as RECORDS
from kinds_of_records import table
from kinds_of_stamps import KINDS as STAMPS
from made.alerts import CUTOUTS, SCHEMA, make_packet

from astrid_ml.apart import be_watched
from astrid_ml.cli.main import run as astrid
from astrid_ml.errors import UserError


def alerts(place: Path) -> Counts:
    from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline

    return through(AlertsPipeline(), place)


def avro_bytes(count: int, codec: str = "null") -> bytes:
    stream = io.BytesIO()
    fastavro.writer(stream, SCHEMA, [make_packet(n + 1, True) for n in range(count)], codec=codec, sync_interval=60_000)
    return stream.getvalue()


def make_avro(folder: Path) -> Path:
    (folder / "a.avro").write_bytes(avro_bytes(1))
    return folder / "a.avro"


def make_many(folder: Path) -> Path:
    (folder / "many.avro").write_bytes(avro_bytes(6, "deflate"))
    return folder / "many.avro"


def make_tar(folder: Path) -> Path:
    with tarfile.open(folder / "night.tar.gz", "w:gz") as archive:
        for number in range(3):
            content = avro_bytes(1)
            member = tarfile.TarInfo(f"{number}.avro")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder / "night.tar.gz"


def make_tar_of(name: str, content: Callable[[], bytes]) -> Callable[[Path], Path]:
    """A maker of an archive with one packet, and with something packed once more."""

    def make(folder: Path) -> Path:
        with tarfile.open(folder / "night.tar", "w") as archive:
            for member_name, inside in (("a.avro", avro_bytes(1)), (name, content())):
                member = tarfile.TarInfo(member_name)
                member.size = len(inside)
                archive.addfile(member, io.BytesIO(inside))
        return folder / "night.tar"

    return make


def tar_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        return make_tar(Path(name)).read_bytes()


def make_rubin(folder: Path) -> Path:
    """A packet of Rubin's: image, variance and PSF in each cutout."""
    random = np.random.default_rng(1)
    packet: dict[str, Any] = {"diaSourceId": 5}
    packet["diaSource"] = {"diaObjectId": 3, "midpointMjdTai": 61000.0, "band": "r", "ra": 10.0, "dec": 5.0}
    y, x = np.mgrid[:41, :41] - 20
    for key in CUTOUTS:
        hdus = [fits.PrimaryHDU(random.normal(0, 3, (30, 30)).astype(np.float32))]
        hdus += [fits.ImageHDU(np.full((30, 30), 9.0, np.float32), name="UNCERT")]
        hdus += [fits.ImageHDU(np.exp(-(x**2 + y**2) / 8.0), name="PSFIMAGE")]
        stream = io.BytesIO()
        fits.HDUList(hdus).writeto(stream)
        packet[key] = {"$binary": base64.b64encode(stream.getvalue()).decode(), "$type": "00"}
    (folder / "a.json").write_text(json.dumps(packet))
    return folder / "a.json"


def json_able(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$binary": base64.b64encode(value).decode(), "$type": "00"}
    return {key: json_able(part) for key, part in value.items()} if isinstance(value, dict) else value


def make_json(folder: Path) -> Path:
    (folder / "a.json").write_text(json.dumps([json_able(make_packet(n + 1, True)) for n in range(2)]))
    return folder / "a.json"


def make_packet_table(folder: Path) -> Path:
    rows = [make_packet(n + 1, True) for n in range(4)]
    pd.DataFrame(rows).to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def triplets(place: Path) -> Counts:
    from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

    return through(TripletsPipeline(), place.parent)


def triplets_of_ztf(place: Path) -> Counts:
    from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline

    return through(TripletsPipeline(survey="ztf"), place.parent)


def make_triplets(folder: Path) -> Path:
    from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets

    SimulateTriplets(n=3, missions=("ztf",), prevalence=0.5).run(folder, seed=1)
    return next(folder.rglob("*.npy"))


def make_triplet_table(folder: Path) -> Path:
    make_triplets(folder)
    return next(path for path in sorted(folder.rglob("*.csv")) + sorted(folder.rglob("*.parquet")))


# What commands read: one file, and what is wrong with it is told in three parts.


def make_frame(folder: Path) -> Path:
    """A pair of 160 x 160 px: the science image is changed."""
    assert astrid(["simulate", "what=pairs", "simulate.n=1", "simulate.shape=[160,160]", f"output_dir={folder}"]) == 0
    return next(folder.glob("*science.fits"))


def make_zipped_frame(folder: Path) -> Path:
    path = make_frame(folder)
    zipped = path.with_name(f"{path.name}.gz")
    zipped.write_bytes(gzip.compress(path.read_bytes(), 1))
    path.unlink()
    return zipped


def frame(place: Path) -> Counts:
    from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits

    image = LoadFits()(Frame(str(place)))
    return {"samples": int((~image.mask).any()), "dropped": 0, "failed": 0}


def whole_pair(place: Path) -> Counts:
    """The pair subtracted, with all that is written of it."""
    from astrid_ml.preprocessing.differencing.commands.difference import DifferenceCommand
    from astrid_ml.preprocessing.differencing.frame.load import Frame

    reference = next(place.parent.glob("*reference.fits"))
    out = place.parent / "out"
    done = DifferenceCommand(Frame(str(place)), Frame(str(reference)), str(out)).run()
    shutil.rmtree(out)
    return {"samples": 1 + int(done["candidates"]), "dropped": 0, "failed": 0}


def ramp(place: Path) -> Counts:
    from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
    from astrid_ml.preprocessing.ramps.readers.options import RampOptions

    said = {".npy": RampOptions(unit="DN", group_time=10.0, gain=2.0, read_noise=10.0)}.get(place.suffix)
    said = said or RampOptions(gain=2.0, read_noise=10.0)
    out = place.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    done = PredictRamps(str(place), str(out), load=said).run()
    return {"samples": int(done["exposures"]), "dropped": 0, "failed": int(done["failed"])}


def make_ramp(folder: Path) -> Path:
    cube = np.random.default_rng(1).normal(1000, 5, (6, 24, 24)).cumsum(0)
    np.save(folder / "a.npy", cube.astype(np.float32))
    return folder / "a.npy"


def make_cube(folder: Path) -> Path:
    cube = np.random.default_rng(1).normal(1000, 5, (6, 24, 24)).cumsum(0).astype(np.float32)
    header = fits.Header({"BUNIT": "DN", "TGROUP": 10.0, "GAIN": 2.0, "READNOIS": 10.0})
    fits.PrimaryHDU(cube, header).writeto(folder / "a.fits")
    return folder / "a.fits"


def make_uncal(folder: Path) -> Path:
    """A JWST exposure as the archive gives it: integers, (integrations, groups, rows, columns)."""
    random = np.random.default_rng(1)
    cube = (random.normal(900, 5, (2, 5, 2048 // 64, 2048 // 64)).cumsum(1) + 9000).astype(np.uint16)
    cards = {"TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "EXP_TYPE": "NRC_IMAGE", "NGROUPS": 5}
    cards |= {"NINTS": 2, "NFRAMES": 1, "GROUPGAP": 0, "TGROUP": 10.7, "TFRAME": 10.7, "SUBSTRT1": 9, "SUBSTRT2": 9}
    cards |= {"SUBSIZE1": 32, "SUBSIZE2": 32, "FASTAXIS": -1, "SLOWAXIS": 2, "EXPSTART": 59800.1, "EXPEND": 59800.2}
    science = fits.ImageHDU(cube, name="SCI")
    science.header["BUNIT"] = "DN"
    fits.HDUList([fits.PrimaryHDU(header=fits.Header(cards)), science]).writeto(folder / "jw1_uncal.fits")
    return folder / "jw1_uncal.fits"


def curves(place: Path) -> Counts:
    from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand

    out = place.parent.parent / f"{place.parent.name} out"
    shutil.rmtree(out, ignore_errors=True)
    done = ConvertCommand(str(place.parent), str(out)).run()
    return {"samples": int(done["objects"]), "dropped": int(done["dropped"]), "failed": int(done["failed"])}


def make_snana(folder: Path) -> Path:
    words = ["simulate", "what=lightcurves", "simulate.n=20", "simulate.templates=2", f"output_dir={folder}"]
    assert astrid(words) == 0
    return next(path for path in sorted(folder.rglob("*PHOT.FITS*")))


def make_snana_head(folder: Path) -> Path:
    return Path(str(make_snana(folder)).replace("PHOT", "HEAD"))


def make_csv(folder: Path) -> Path:
    pd.DataFrame({"id": ["a", "b"], "ra": [1.5, 2.5], "dec": [3.0, -4.0]}).to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def make_parquet(folder: Path) -> Path:
    pd.DataFrame({"id": ["a", "b"], "ra": [1.5, 2.5], "dec": [3.0, -4.0]}).to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def make_ecsv(folder: Path) -> Path:
    from astropy.table import Table

    Table({"id": ["a", "b"], "ra": [1.5, 2.5], "dec": [3.0, -4.0]}).write(folder / "a.ecsv")
    return folder / "a.ecsv"


KINDS = {
    kind.name: kind
    for kind in (
        FileKind("alert, Avro", make_avro, alerts),
        FileKind("alerts, one Avro", make_many, alerts),
        FileKind("alerts, tar.gz", make_tar, alerts),
        FileKind("alerts, tar in tar", make_tar_of("inner.tar.gz", tar_bytes), alerts),
        FileKind("alerts, gz in tar", make_tar_of("b.avro.gz", lambda: gzip.compress(avro_bytes(1))), alerts),
        FileKind("alert, Rubin JSON", make_rubin, alerts),
        FileKind("alerts, JSON", make_json, alerts),
        FileKind("alerts, parquet", make_packet_table, alerts),
        *PACKETS,
        *STAMPS,
        FileKind("triplets, npy", make_triplets, triplets),
        FileKind("triplets, table", make_triplet_table, triplets),
        FileKind("triplets of ZTF, table", make_triplet_table, triplets_of_ztf),
        FileKind("frame, FITS", make_frame, frame),
        FileKind("frame, FITS.gz", make_zipped_frame, frame),
        FileKind("pair, subtracted", make_frame, whole_pair),
        FileKind("ramp, npy", make_ramp, ramp),
        FileKind("ramp, FITS cube", make_cube, ramp),
        FileKind("ramp, JWST uncal", make_uncal, ramp),
        FileKind("curves, SNANA PHOT", make_snana, curves),
        FileKind("curves, SNANA HEAD", make_snana_head, curves),
        FileKind("table, CSV", make_csv, table),
        FileKind("table, parquet", make_parquet, table),
        FileKind("table, ECSV", make_ecsv, table),
        *IMAGES,
        *RAMPS,
        *CURVES,
        *RECORDS,
    )
}


@contextmanager
def silent() -> Iterator[None]:
    """A block whose words and progress nobody reads; what the system itself says of a crash is still told."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def read(item: tuple[str, str]) -> dict[str, Any]:
    """What came of a file: its counts, or the three parts that tell what is wrong, or what a user should never see.

    Args:
        item: name of the kind, the file.
    """
    name, path = item
    warnings.simplefilter("ignore")
    logging.getLogger("astropy").setLevel(logging.ERROR)
    SAID.clear()
    be_watched(False)  # as the process of a command, which looks at files from outside
    try:
        with silent():
            counts = KINDS[name].read(Path(path))
        return {"outcome": "read", **counts, "words": " | ".join(dict.fromkeys(SAID))}
    except UserError as error:
        return {"outcome": "refused", "words": str(error)[:300]}
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/site-packages/" not in frame.filename]
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return {"outcome": "traceback", "words": f"{type(error).__name__}: {str(error)[:200]} ({where})"}
