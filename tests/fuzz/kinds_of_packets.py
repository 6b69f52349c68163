"""Packets as brokers and databases hand them on: messages and their schemas, documents, stamps alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cramjam
from astropy.io import fits
from kind import Counts, FileKind, through
from made.alerts import CUTOUTS, make_packet
from made.messages import image_of, message, mongo, rubin_packet, whole_schema, write_rubin_schemas, zstandard_blocks


def alerts(place: Path) -> Counts:
    from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline

    return through(AlertsPipeline(), place)


def beside(place: Path) -> Counts:
    """The message that lies beside a schema, or the schemas beside a message."""
    return alerts(place.parent)


def make_messages(folder: Path) -> Path:
    write_rubin_schemas(folder)
    (folder / "a.avro").write_bytes(message(rubin_packet(5)) + message(rubin_packet(6)))
    return folder / "a.avro"


def make_schema(folder: Path) -> Path:
    make_messages(folder)
    return folder / "lsst.v9_0.diaSource.avsc"


def make_registry_answer(folder: Path) -> Path:
    make_messages(folder)
    for file in folder.glob("*.avsc"):
        file.unlink()
    (folder / "value.avsc").write_text(json.dumps({"id": 900, "schema": json.dumps(whole_schema())}))
    return folder / "value.avsc"


def make_lines(folder: Path) -> Path:
    packets = [mongo(make_packet(n + 1, True)) for n in range(3)]
    (folder / "a.jsonl").write_text("".join(json.dumps(packet) + "\n" for packet in packets))
    return folder / "a.jsonl"


def make_packed_lines(folder: Path) -> Path:
    content = make_lines(folder).read_bytes()
    (folder / "a.jsonl").unlink()
    (folder / "a.jsonl.zst").write_bytes(bytes(cramjam.zstd.compress(content)))
    return folder / "a.jsonl.zst"


def make_zstandard(folder: Path) -> Path:
    (folder / "a.avro").write_bytes(zstandard_blocks([make_packet(n + 1, True) for n in range(2)]))
    return folder / "a.avro"


def make_stamps(folder: Path) -> Path:
    packet = make_packet(1, True)
    hdus = fits.HDUList()
    for key, kind in zip(CUTOUTS, ("science", "template", "difference"), strict=True):
        image = fits.ImageHDU if len(hdus) else fits.PrimaryHDU
        hdus.append(image(fits.ImageHDU(_image(packet[key]["stampData"])).data))
        hdus[-1].header["HIERARCH STAMP_TYPE"] = kind
    stream = io.BytesIO()
    hdus.writeto(stream)
    (folder / "ZTF18abadigg_714287740515015072.fits").write_bytes(stream.getvalue())
    return folder / "ZTF18abadigg_714287740515015072.fits"


def _image(cutout: bytes) -> object:
    import numpy as np

    return np.asarray(image_of(cutout), dtype=np.float32)


def stamps(place: Path) -> Counts:
    """One that no longer says what it is belongs to nobody, which the command says."""
    from astrid_ml.errors import UserError

    try:
        return alerts(place)
    except UserError:
        return {"samples": 0, "dropped": 1, "failed": 0}


KINDS = (
    FileKind("alerts, messages", make_messages, beside),
    FileKind("alerts, schema", make_schema, beside),
    FileKind("alerts, registry's answer", make_registry_answer, beside),
    FileKind("alerts, JSON lines", make_lines, alerts),
    FileKind("alerts, JSON lines.zst", make_packed_lines, alerts),
    FileKind("alerts, Avro of zstandard", make_zstandard, alerts),
    FileKind("alert, FITS stamps", make_stamps, stamps),
)
