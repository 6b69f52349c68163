"""A few alert packets with a star or without one."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np

from astrid_ml.types import Array

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
CUTOUT_FIELDS = [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]
CANDIDATE = {"jd": "double", "fid": "int", "ra": "double", "dec": "double", "isdiffpos": "string", "drb": "double"}
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "publisher", "type": "string"},
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {
            "name": "candidate",
            "type": {
                "type": "record",
                "name": "candidate",
                "fields": [{"name": name, "type": kind} for name, kind in CANDIDATE.items()],
            },
        },
        *({"name": name, "type": {"type": "record", "name": name, "fields": CUTOUT_FIELDS}} for name in CUTOUTS),
    ],
}


def fits_bytes(image: Array) -> bytes:
    cards = ["SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2"]
    cards += [f"NAXIS1  = {image.shape[1]:>20}", f"NAXIS2  = {image.shape[0]:>20}", "END"]
    data = image.astype(">f4").tobytes()
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode() + data + b"\0" * (-len(data) % 2880)


def make_packet(number: int, star: bool) -> dict[str, Any]:
    random = np.random.default_rng(number)
    y, x = np.mgrid[:63, :63] - 31
    light = 30 * np.exp(-(x**2 + y**2) / 4) if star else 0.0
    images = (random.normal(size=(63, 63)) + light, random.normal(size=(63, 63)), random.normal(size=(63, 63)) + light)
    candidate = {
        "jd": 2459000.5 + number,
        "fid": 1,
        "ra": number * 3.0,
        "dec": 10.0,
        "isdiffpos": "t",
        "drb": 0.95 if star else 0.05,
    }
    packet: dict[str, Any] = {
        "publisher": "ZTF",
        "objectId": f"ZTF{number:05d}",
        "candid": number,
        "candidate": candidate,
    }
    stamps = {
        name: {"fileName": name, "stampData": gzip.compress(fits_bytes(image))}
        for name, image in zip(CUTOUTS, images, strict=True)
    }
    return {**packet, **stamps}
