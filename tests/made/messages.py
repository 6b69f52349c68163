"""Packets as brokers and databases hand them on, with the schemas of those that are messages."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
from pathlib import Path
from typing import Any

import cramjam
import fastavro
import numpy as np
from made.alerts import CUTOUTS, SCHEMA, fits_bytes, make_packet

SOURCE = {
    "diaSourceId": "long", "diaObjectId": "long", "midpointMjdTai": "double", "ra": "double", "dec": "double",
    "band": "string", "snr": "float", "isNegative": "boolean",
}  # fmt: skip
RUBIN: dict[str, Any] = {
    "type": "record", "name": "alert", "namespace": "lsst.v9_0",
    "fields": [
        {"name": "diaSourceId", "type": "long"},
        {"name": "diaSource", "type": "lsst.v9_0.diaSource"},
        *({"name": name, "type": ["null", "bytes"]} for name in CUTOUTS),
    ],
}  # fmt: skip
RUBIN_SOURCE: dict[str, Any] = {
    "type": "record",
    "name": "diaSource",
    "namespace": "lsst.v9_0",
    "fields": [{"name": name, "type": kind} for name, kind in SOURCE.items()],
}


def rubin_packet(number: int) -> dict[str, Any]:
    """A packet of Rubin's, its cutouts 30 x 30 and plain FITS."""
    random = np.random.default_rng(number)
    source = {"diaSourceId": number, "diaObjectId": 9, "midpointMjdTai": 61000.0, "ra": 10.0, "dec": 5.0,
              "band": "r", "snr": 12.0, "isNegative": False}  # fmt: skip
    return {"diaSourceId": number, "diaSource": source} | {
        name: fits_bytes(random.normal(size=(30, 30))) for name in CUTOUTS
    }


def write_rubin_schemas(folder: Path) -> None:
    """As they are published: a file for each record, which name each other."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lsst.v9_0.alert.avsc").write_text(json.dumps(RUBIN))
    (folder / "lsst.v9_0.diaSource.avsc").write_text(json.dumps(RUBIN_SOURCE))


def whole_schema() -> dict[str, Any]:
    """The schema of a packet of Rubin's with all that it names."""
    return RUBIN | {"fields": [RUBIN["fields"][0], {"name": "diaSource", "type": RUBIN_SOURCE}, *RUBIN["fields"][2:]]}


def rubin_body(packet: dict[str, Any]) -> bytes:
    """The Avro body of a packet, without a schema."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(whole_schema()), packet)
    return stream.getvalue()


def message(packet: dict[str, Any], number: int = 900) -> bytes:
    """A Kafka value: a byte 0, the number of the schema, the body."""
    return b"\0" + struct.pack(">I", number) + rubin_body(packet)


def mongo(value: Any) -> Any:
    """A packet as mongoexport writes it."""
    if isinstance(value, bytes):
        return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}
    if isinstance(value, float):
        return {"$numberDouble": repr(value)}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"$numberLong": str(value)}
    return {key: mongo(part) for key, part in value.items()} if isinstance(value, dict) else value


def image_of(cutout: bytes) -> list[list[float | None]]:
    """The pixels of a cutout as a service gives them, null where it has NaN."""
    from astropy.io import fits

    with fits.open(io.BytesIO(gzip.decompress(cutout)), ignore_missing_simple=True) as hdus:
        rows = np.asarray(hdus[0].data, dtype=float)
    return [[None if pixel != pixel else pixel for pixel in row] for row in rows.tolist()]


def fink_row(number: int) -> dict[str, Any]:
    """A packet of ZTF's as Fink's service for objects gives it, with cutouts."""
    packet = make_packet(number, True)
    row = {f"i:{key}": value for key, value in packet["candidate"].items()}
    row |= {"i:objectId": packet["objectId"], "i:candid": packet["candid"], "d:roid": 3}
    return row | {f"b:{name}_stampData": image_of(packet[name]["stampData"]) for name in CUTOUTS}


def avro_bytes(packets: list[dict[str, Any]], codec: str = "null") -> bytes:
    """An Avro file of packets of ZTF's."""
    stream = io.BytesIO()
    fastavro.writer(stream, SCHEMA, packets, codec=codec)
    return stream.getvalue()


def zstandard_blocks(packets: list[dict[str, Any]]) -> bytes:
    """Avro whose blocks are compressed by zstandard, written by hand: fastavro wants one more library for it."""
    plain = io.BytesIO(avro_bytes(packets))
    header = fastavro.block_reader(plain)
    blocks: list[Any] = list(header)
    body = b"".join(block.bytes_.getvalue() for block in blocks)
    sync, packed = b"s" * 16, bytes(cramjam.zstd.compress(body))
    out = b"Obj\x01" + _entries({"avro.schema": json.dumps(SCHEMA).encode(), "avro.codec": b"zstandard"}) + sync
    return out + _number(len(packets)) + _number(len(packed)) + packed + sync


def _number(value: int) -> bytes:
    out, value = b"", value << 1
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _entries(meta: dict[str, bytes]) -> bytes:
    pairs = b"".join(_number(len(k)) + k.encode() + _number(len(v)) + v for k, v in meta.items())
    return _number(len(meta)) + pairs + b"\0"
