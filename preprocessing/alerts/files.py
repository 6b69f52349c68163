"""Alert files of every kind, found and read packet by packet."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.preprocessing.alerts.avro_packets import PacketFileError, read_avro
from astrid_ml.walk import walk

# Either spelling; Rubin's and everyone else's.
CUTOUT_KEYS = (
    ("cutoutScience", "cutoutTemplate", "cutoutDifference"),
    ("cutout_science", "cutout_template", "cutout_difference"),
)
LOOSE = (".avro", ".json")
PARQUET = (".parquet", ".pq")
TARS = (".tar.gz", ".tgz", ".tar")


@dataclass(frozen=True)
class Found:
    """Alert files below some paths, each sorted.

    Args:
        loose: Avro and JSON files, a few packets each.
        tables: parquet files with cutout columns.
        tars: archives of Avro files.
        damaged: files named parquet whose footer cannot be read.
    """

    loose: list[Path]
    tables: list[Path]
    tars: list[Path]
    damaged: list[Path]


def find(raw: Sequence[Path]) -> Found:
    """Walk files and folders; parquet files without cutouts are passed over."""
    files = sorted(walk(raw))
    tables = {path: has_cutouts(path) for path in files if path.suffix.lower() in PARQUET}
    return Found(
        [path for path in files if path.suffix.lower() in LOOSE],
        [path for path, holds in tables.items() if holds],
        [path for path in files if path.name.lower().endswith(TARS)],
        [path for path, holds in tables.items() if holds is None],
    )


def has_cutouts(path: Path) -> bool | None:
    """Whether a parquet file has columns of cutouts; None where its footer cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError):
        return None
    return any(set(keys) <= names for keys in CUTOUT_KEYS)


def row_groups(path: Path, rows: int) -> list[tuple[int, int]]:
    """Row groups of a parquet file in runs of at most ``rows`` rows (or one group): [(first, past the last), ...]."""
    import pyarrow.parquet as pq

    meta = pq.read_metadata(path)
    runs, start, size = [], 0, 0
    for number in range(meta.num_row_groups):
        count = meta.row_group(number).num_rows
        if size and size + count > rows:
            runs.append((start, number))
            start, size = number, 0
        size += count
    return [*runs, (start, meta.num_row_groups)] if meta.num_row_groups else []


def read_parquet(path: Path, groups: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """Packets of some row groups; histories are left on disk."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    unused = ("prv", "fp_hists", "mulens", "mpc_orbits")
    columns = [name for name in file.schema_arrow.names if not name.startswith(unused)]
    for batch in file.iter_batches(batch_size=256, row_groups=list(range(*groups)), columns=columns):
        yield from batch.to_pylist()


def read_loose(path: Path) -> Iterator[dict[str, Any]]:
    """Packets of an Avro or mongo-JSON file.

    Raises:
        PacketFileError: the file is neither, or is damaged.
    """
    if path.suffix.lower() == ".json":
        yield from _read_json(path)
        return
    with path.open("rb") as stream:
        yield from read_avro(stream)


def _read_json(path: Path) -> Iterator[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise PacketFileError("no JSON file") from error
    packets = content if isinstance(content, list) else [content]
    for packet in packets:
        if isinstance(packet, dict) and any(keys[0] in packet for keys in CUTOUT_KEYS):
            yield packet
        else:
            raise PacketFileError("JSON without cutouts")


def cutout_keys(packet: Mapping[str, Any]) -> tuple[str, str, str]:
    """The spelling of a packet's cutouts: science, template, difference."""
    return next((keys for keys in CUTOUT_KEYS if keys[0] in packet), CUTOUT_KEYS[0])


def cutout_bytes(value: Any) -> bytes | None:
    """The bytes of a cutout in any of its wrappings; None where there is none."""
    if isinstance(value, dict):
        # Mongo's two JSON spellings: {"$binary": text, "$type": "00"} and {"$binary": {"base64": text, ...}}.
        return cutout_bytes(next((value[key] for key in ("stampData", "$binary", "base64") if key in value), None))
    if isinstance(value, str):
        return base64.b64decode(value)
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) and len(value) else None
