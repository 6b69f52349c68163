"""Light curves in every form that surveys and brokers give them, read by ``astrid convert``."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table
from kind import SAID, Counts, FileKind

SOURCE = {"diaSourceId": "long", "diaObjectId": ["null", "long"], "midPointTai": "double", "filterName": "string"}
SOURCE |= {"psFlux": "float", "psFluxErr": "float"}
HOST = {"ra": 10.0, "decl": -9.0, "hostgal_zphot": 0.5, "hostgal_zspec": -9.0, "hostgal_mag_g": 22.0}
TEXT = """SURVEY: DES
SNID: {name}
SNTYPE: 101
FILTERS: gr
RA: 9.5  deg
DECL: -9.0  deg
MWEBV: 0.02  +- 0.003
REDSHIFT_HELIO: 0.36  +-  0.07
NOBS: 3
NVAR: 5
VARLIST: MJD FLT FLUXCAL FLUXCALERR PHOTFLAG
OBS: 56536.5 g 5.5 2.0 4096
OBS: 56537.5 r 8.5 3.0 0
OBS: 56538.5 r -1.5 4.0 6144
END_PHOTOMETRY:
"""


def curves(place: Path) -> Counts:
    """What ``astrid convert`` makes of the folder that the file stands in."""
    from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand

    raw = next((parent for parent in place.parents if parent.name == "raw"), place.parent)
    out = raw.parent / f"{raw.name} out"
    shutil.rmtree(out, ignore_errors=True)
    done = ConvertCommand(str(raw), str(out), zero_point=27.5).run()
    said = json.loads((out / "report.json").read_text())
    SAID.extend(str(entry["reason"]) for entry in (*said["failed_sources"], *said["drops"]))
    return {"samples": int(done["objects"]), "dropped": int(done["dropped"]), "failed": int(done["failed"])}


def rows_of_snana() -> pd.DataFrame:
    random = np.random.default_rng(1)
    n = 40
    table = pd.DataFrame({"SNID": np.repeat(["11", "12"], n // 2), "MJD": np.tile(59000.0 + np.arange(n // 2), 2)})
    return table.assign(BAND="r", FLUXCAL=random.normal(30, 5, n), FLUXCALERR=2.0, PHOTFLAG=4096)


def make_elasticc_csv(folder: Path) -> Path:
    rows_of_snana().to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def make_elasticc_parquet(folder: Path) -> Path:
    rows_of_snana().to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def make_plasticc(folder: Path) -> Path:
    """The points, with their metadata beside them."""
    random = np.random.default_rng(1)
    n = 6
    meta = {"object_id": range(n), "ra": 10.0, "decl": -5.0, "ddf": 1, "hostgal_specz": 0.3, "hostgal_photoz": 0.3}
    meta |= {"hostgal_photoz_err": 0.1, "distmod": 40.0, "mwebv": 0.02, "target": 90}
    pd.DataFrame(meta).to_csv(folder / "training_set_metadata.csv", index=False)
    points = pd.DataFrame({"object_id": np.repeat(np.arange(n), 20), "mjd": np.tile(59600.0 + np.arange(20.0), n)})
    points["passband"] = random.integers(0, 6, len(points))
    points["flux"] = random.normal(50, 10, len(points))
    points["flux_err"], points["detected"] = 5.0, 1
    points.to_csv(folder / "training_set.csv", index=False)
    return folder / "training_set.csv"


def make_plasticc_metadata(folder: Path) -> Path:
    return make_plasticc(folder).with_name("training_set_metadata.csv")


def make_plasticc_parquet(folder: Path) -> Path:
    table = pd.read_csv(make_plasticc(folder))
    (folder / "training_set.csv").unlink()
    table.to_parquet(folder / "training_set.parquet", row_group_size=30)
    return folder / "training_set.parquet"


def make_ztf(folder: Path) -> Path:
    found = {
        "objectId": ["Z"] * 4,
        "mjd": [1.0, 2.0, 3.0, 4.0],
        "fid": [1, 2, 1, 2],
        "magpsf": [20.0, 20.1, 20.2, 20.3],
    }
    table = pd.DataFrame({**found, "sigmapsf": 0.1, "isdiffpos": [1, -1, 1, 1], "ra": 10.0, "dec": 5.0})
    table.to_csv(folder / "x_detections.csv", index=False)
    limits = pd.DataFrame({"objectId": ["Z"], "jd": [2400002.5], "fid": [1], "diffmaglim": [20.5]})
    limits.to_csv(folder / "x_non_detections.csv", index=False)
    pd.DataFrame({"objectId": ["Z"], "classALeRCE": ["SNIa"]}).to_csv(folder / "x_labels.csv", index=False)
    return folder / "x_detections.csv"


def make_ztf_limits(folder: Path) -> Path:
    return make_ztf(folder).with_name("x_non_detections.csv")


def make_text(folder: Path) -> Path:
    """SNANA's text, two objects listed in a LIST file."""
    for name in ("one", "two"):
        (folder / f"{name}.dat").write_text(TEXT.format(name=name))
    (folder / "V.LIST").write_text("one.dat\ntwo.dat\n")
    return folder / "one.dat"


def make_packed_text(folder: Path) -> Path:
    return packed_of(make_text(folder))


def make_packed_csv(folder: Path) -> Path:
    return packed_of(make_elasticc_csv(folder))


def packed_of(path: Path) -> Path:
    """The file, gzipped, in its place."""
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def make_broker_json(folder: Path) -> Path:
    """Lasair's answer: detections, and a limit."""
    rows = [{"mjd": 59000.5 + n, "fid": n % 2 + 1, "magpsf": 19.5, "sigmapsf": 0.1, "isdiffpos": "t"} for n in range(6)]
    rows.append({"mjd": 58990.5, "fid": 1, "diffmaglim": 20.5})
    (folder / "a.json").write_text(json.dumps({"objectId": "ZTF20aaaaaaa", "candidates": rows}))
    return folder / "a.json"


def make_forced_text(folder: Path) -> Path:
    """Forced photometry of ATLAS."""
    lines = ["###MJD m dm uJy duJy F err", *(f"{59000.5 + n} 20 0.1 {30 + n} 3 o 0" for n in range(6))]
    (folder / "a.txt").write_text("\n".join(lines) + "\n")
    return folder / "a.txt"


def make_fits_table(folder: Path) -> Path:
    """A light curve of TESS."""
    rows = {"TIME": 1325.0 + np.arange(6.0), "PDCSAP_FLUX": 1000.0, "PDCSAP_FLUX_ERR": 1.0, "QUALITY": 0}
    table = Table.from_pandas(pd.DataFrame(rows))
    table.meta = {"TELESCOP": "TESS", "OBJECT": "TIC 1", "BJDREFI": 2457000}
    table.write(folder / "a.fits")
    return folder / "a.fits"


def make_lists(folder: Path) -> Path:
    """Objects of ZTF's data releases, a row an object."""
    lists = {"hmjd": [[58300.0, 58301.0]], "mag": [[18.0, 18.1]], "magerr": [[0.1, 0.1]], "catflags": [[0, 0]]}
    about = {"objectid": [7], "filterid": [1], "objra": [1.0], "objdec": [2.0]}
    pq.write_table(pa.table({**about, **lists}), folder / "a.parquet")
    return folder / "a.parquet"


def make_message(folder: Path) -> Path:
    """An alert as a stream sends it, with its schema beside it."""
    with make_nested_avro(folder).open("rb") as stream:
        reader = fastavro.reader(stream)
        schema, packets = reader.writer_schema, list(reader)
    (folder / "100.avsc").write_text(json.dumps(schema))
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, packets[-1])
    (folder / "a.avro").write_bytes(b"\0\0\0\0\x64" + body.getvalue())
    return folder / "a.avro"


def make_list(folder: Path) -> Path:
    return make_text(folder).with_name("V.LIST")


def alerts() -> list[dict[str, Any]]:
    """Three alerts of an object, each with the history so far."""
    fields = list(SOURCE)
    points = [dict(zip(fields, (n, 7, 60000.5 + n, "gri"[n], 100.0 + n, 2.0), strict=True)) for n in range(3)]
    return [{"diaSource": p, "prvDiaSources": points[:n] or None, "diaObject": HOST} for n, p in enumerate(points)]


def make_nested_avro(folder: Path) -> Path:
    source = {"type": "record", "name": "s", "fields": [{"name": k, "type": v} for k, v in SOURCE.items()]}
    thing = {"type": "record", "name": "o", "fields": [{"name": k, "type": "double"} for k in HOST]}
    parts: list[dict[str, Any]] = [{"name": "diaSource", "type": source}]
    parts += [{"name": "prvDiaSources", "type": ["null", {"type": "array", "items": "s"}]}]
    parts += [{"name": "diaObject", "type": ["null", thing]}]
    with (folder / "a.avro").open("wb") as stream:
        fastavro.writer(stream, {"type": "record", "name": "alert", "fields": parts}, alerts())
    return folder / "a.avro"


def make_nested_parquet(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(alerts()), folder / "a.parquet")
    return folder / "a.parquet"


def make_curve_file(folder: Path) -> Path:
    """One object a file, with the Bright Transient Survey's table of objects above them."""
    raw = folder / "raw"
    (raw / "light-curves").mkdir(parents=True)
    for name in ("ZTF1", "ZTF2"):
        lines = ["time,mag,magerr,band", *(f"{58000 + n},{20 + 0.1 * n:.2f},0.1,{'gr'[n % 2]}" for n in range(12))]
        (raw / "light-curves" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    table = "ZTFID,RA,Dec,type,redshift,A_V\nZTF1,01:00:00,-00:30:00,SN Ia-91T,0.06,0.31\nZTF2,,,SN Ia,-,\n"
    (raw / "bts.csv").write_text(table)
    return raw / "light-curves" / "ZTF1.csv"


def make_catalogue(folder: Path) -> Path:
    return make_curve_file(folder).parents[1] / "bts.csv"


def make_curve_archive(folder: Path) -> Path:
    raw = make_curve_file(folder).parents[1]
    packed = folder / "set.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for path in sorted(raw.rglob("*.csv")):
            archive.add(path, path.relative_to(raw))
    shutil.rmtree(raw)
    return packed


def make_converted(folder: Path) -> Path:
    """What ``astrid convert`` itself writes."""
    from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand

    (folder / "before").mkdir()
    make_elasticc_csv(folder / "before")
    ConvertCommand(str(folder / "before"), str(folder / "done")).run()
    made = next((folder / "done" / "objects").glob("*.parquet"))
    shutil.copy(made, folder / "a.parquet")
    shutil.rmtree(folder / "before")
    shutil.rmtree(folder / "done")
    return folder / "a.parquet"


def make_fits_sample(folder: Path) -> Path:
    """A FITS table of an ELAsTiCC sample that is no SNANA pair: nothing reads it, and that is said."""
    stream = io.BytesIO()
    Table.from_pandas(rows_of_snana()).write(stream, format="fits")
    (folder / "ELASTICC_HEAD.FITS").write_bytes(stream.getvalue())
    make_elasticc_csv(folder)
    return folder / "ELASTICC_HEAD.FITS"


KINDS = (
    FileKind("curves, ELAsTiCC CSV", make_elasticc_csv, curves),
    FileKind("curves, ELAsTiCC pq", make_elasticc_parquet, curves),
    FileKind("curves, lone FITS", make_fits_sample, curves),
    FileKind("curves, PLAsTiCC", make_plasticc, curves),
    FileKind("curves, PLAsTiCC meta", make_plasticc_metadata, curves),
    FileKind("curves, PLAsTiCC pq", make_plasticc_parquet, curves),
    FileKind("curves, ZTF CSV", make_ztf, curves),
    FileKind("curves, ZTF limits", make_ztf_limits, curves),
    FileKind("curves, SNANA text", make_text, curves),
    FileKind("curves, text.gz", make_packed_text, curves),
    FileKind("curves, CSV.gz", make_packed_csv, curves),
    FileKind("curves, broker JSON", make_broker_json, curves),
    FileKind("curves, forced", make_forced_text, curves),
    FileKind("curves, FITS table", make_fits_table, curves),
    FileKind("curves, lists pq", make_lists, curves),
    FileKind("curves, message", make_message, curves),
    FileKind("curves, SNANA LIST", make_list, curves),
    FileKind("curves, nested Avro", make_nested_avro, curves),
    FileKind("curves, nested pq", make_nested_parquet, curves),
    FileKind("curves, CSV an object", make_curve_file, curves),
    FileKind("curves, catalogue", make_catalogue, curves),
    FileKind("curves, tar.gz", make_curve_archive, curves),
    FileKind("curves, converted", make_converted, curves),
)
