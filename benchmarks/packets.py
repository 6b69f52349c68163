"""Alert packets to tensors: packets a second, and the lean stamp parser against astropy.io.fits.

Claim: the lean parser is at least 5 times as fast as astropy on unpacked stamps, and bit-equal to it; files become
tensors twice as fast as by a loop of fastavro and astropy.
Run: ``python benchmarks/packets.py [FOLDER]`` (FOLDER holds real packets; by default packets are made here).
"""

from __future__ import annotations

import gzip
import io
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import fastavro
import numpy as np
import torch

from astrid_ml.datamodules.channels import Channels
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts import files, forms
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.alerts.stamp_fits import read_lean, read_stamp, read_with_astropy, unpacked
from astrid_ml.types import Array

torch.set_num_threads(1)
REPEATS, MADE = 11, 200
CUTOUTS = forms.CUTOUT_KEYS[0]


def fits_bytes(image: Array) -> bytes:
    """One HDU with the header of a ZTF cutout."""
    cards = ["SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2"]
    cards += [f"NAXIS1  = {image.shape[1]:>20}", f"NAXIS2  = {image.shape[0]:>20}", "BUNIT   = 'DN      '", "END"]
    data = image.astype(">f4").tobytes()
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode() + data + b"\0" * (-len(data) % 2880)


def make_packets(folder: Path) -> None:
    """Avro files of one packet each, as a broker sends them."""
    stamp = {"type": "record", "name": "stamp", "fields": [{"name": "stampData", "type": "bytes"}]}
    fields = [("candid", "long"), ("jd", "double"), ("fid", "int"), ("ra", "double"), ("dec", "double")]
    candidate = {
        "type": "record",
        "name": "candidate",
        "fields": [{"name": name, "type": kind} for name, kind in fields],
    }
    schema = fastavro.parse_schema(
        {
            "type": "record",
            "name": "alert",
            "fields": [{"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"}]
            + [{"name": "candidate", "type": candidate}]
            + [{"name": key, "type": stamp if key == CUTOUTS[0] else "stamp"} for key in CUTOUTS],
        }
    )
    random = np.random.default_rng(0)
    for number in range(MADE):
        packet: dict[str, Any] = {"objectId": f"ZTF{number:07d}", "candid": number + 1}
        packet["candidate"] = {"candid": number + 1, "jd": 2459000.5, "fid": 1, "ra": 10.0, "dec": 5.0}
        for key in CUTOUTS:
            packet[key] = {"stampData": gzip.compress(fits_bytes(random.normal(0, 9, (63, 63))))}
        with (folder / f"{number:05d}.avro").open("wb") as stream:
            fastavro.writer(stream, schema, [packet])


def cutouts(folder: Path) -> list[bytes]:
    """Every cutout below a folder, as it is packed."""
    found = files.find([folder])
    packets = [packet for path in found.loose for packet in files.read_loose(path) if isinstance(packet, dict)]
    for path in found.tables:
        rows = (row for run in files.row_groups(path, 4000) for row in files.read_parquet(path, run))
        packets += [row for row in rows if isinstance(row, dict)]
    values = [packet.get(key) for packet in packets for keys in forms.CUTOUT_KEYS for key in keys]
    return [content for content in (forms.cutout_bytes(value) for value in values) if content is not None]


def interleaved(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median seconds of each way, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            started = time.process_time()
            way()
            times[name].append(time.process_time() - started)
    return {name: median(values) for name, values in times.items()}


def to_tensors(folder: Path) -> int:
    """Files -> records and normalised channels; returns the number of packets."""
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter()
    for unit in pipeline.plan([folder]):
        pipeline.process(unit, writer, 0)
    source = writer.source()
    for rows, stamps in source.groups("stamps", np.arange(len(source.index))):
        sizes = source.index[["stamp_h", "stamp_w"]].to_numpy(dtype=np.int64)[rows]
        Channels().apply(torch.from_numpy(stamps), torch.from_numpy(sizes))
    return len(source.index)


def to_tensors_by_hand(folder: Path) -> int:
    """The usual loop: fastavro, gzip and astropy packet by packet, then the same normalisation; returns the number."""
    from astropy.io import fits

    count = 0
    for path in sorted(folder.rglob("*.avro")):
        with path.open("rb") as stream:
            for packet in fastavro.reader(stream):
                assert isinstance(packet, dict)
                contents = [gzip.decompress(packet[key]["stampData"]) for key in CUTOUTS]
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    opened = [fits.open(io.BytesIO(content), ignore_missing_simple=True) for content in contents]
                images = [np.asarray(hdus[0].data, dtype=np.float32) for hdus in opened]
                stamps = torch.from_numpy(np.stack(images))[None]
                Channels().apply(stamps, torch.tensor([images[0].shape]))
                count += 1
    return count


def report(folder: Path) -> None:
    """Print what was measured."""
    packed = cutouts(folder)
    plain = [unpacked(content) for content in packed]
    lean_ones = [content for content in plain if read_lean(content) is not None]
    equal = sum(np.array_equal(_bits(read_lean(one)), _bits(read_with_astropy(one))) for one in lean_ones)
    print(f"{len(plain)} cutouts, {len(lean_ones)} of one plain HDU; bit-equal to astropy: {equal}")
    times = interleaved(
        {
            "lean": lambda: [read_lean(content) for content in lean_ones],
            "astropy": lambda: [read_with_astropy(content) for content in lean_ones],
            "packed": lambda: [read_stamp(content) for content in packed],
            "tensors": lambda: to_tensors(folder),
        }
        | ({"by hand": lambda: to_tensors_by_hand(folder)} if to_tensors_by_hand(folder) else {})
    )
    print(f"lean parser {1e6 * times['lean'] / len(lean_ones):.1f} us a stamp, ", end="")
    print(f"astropy {1e6 * times['astropy'] / len(lean_ones):.1f} us: ratio {times['astropy'] / times['lean']:.1f}")
    print(f"with unpacking: {1e6 * times['packed'] / len(packed):.1f} us a cutout")
    print(f"files to normalised tensors: {to_tensors(folder) / times['tensors']:.0f} packets/s on one thread")
    if "by hand" in times:
        only_avro = to_tensors(folder) == to_tensors_by_hand(folder)
        ratio = f", ratio {times['by hand'] / times['tensors']:.2f}" if only_avro else " (Avro files alone)"
        rate = to_tensors_by_hand(folder) / times["by hand"]
        print(f"a loop of fastavro and astropy: {rate:.0f} packets/s{ratio}")


def _bits(image: Array | None) -> Array:
    assert image is not None
    return np.ascontiguousarray(image).view(np.uint32)


def main() -> None:
    """On the folder that was given, else on packets made here."""
    if len(sys.argv) > 1:
        report(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as made:
        make_packets(Path(made))
        report(Path(made))


if __name__ == "__main__":
    main()
