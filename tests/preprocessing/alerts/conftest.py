"""Alert packets made here, in any wrapping."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest

from astrid_ml.preprocessing.alerts.stamp_fits import BLOCK
from astrid_ml.types import Array


def fits_bytes(image: Array) -> bytes:
    """A one-HDU FITS file as ZTF writes it, with its non-standard SIMPLE card."""
    cards = ["SIMPLE  = 'T'", "BITPIX  =                  -32", "NAXIS   =                    2"]
    cards += [f"NAXIS1  = {image.shape[1]:>20}", f"NAXIS2  = {image.shape[0]:>20}", "BUNIT   = 'DN'", "END"]
    header = "".join(card.ljust(80) for card in cards).ljust(BLOCK).encode()
    data = image.astype(">f4").tobytes()
    return header + data + b"\0" * (-len(data) % BLOCK)


@pytest.fixture
def make_packet() -> Any:
    """A factory of packets: ``make_packet(candid, shape=(63, 63), gzipped=True, **candidate)``."""

    def make(candid: int, shape: tuple[int, int] = (63, 63), gzipped: bool = True, **candidate: Any) -> dict[str, Any]:
        random = np.random.default_rng(candid)
        packet: dict[str, Any] = {
            "publisher": "ZTF (www.ztf.caltech.edu)",
            "objectId": f"ZTF20{candid:04d}",
            "candid": candid,
        }
        for key in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
            content = fits_bytes(random.normal(size=shape).astype(np.float32))
            packet[key] = {"fileName": key, "stampData": gzip.compress(content) if gzipped else content}
        defaults = {
            "candid": candid,
            "jd": 2459000.5,
            "fid": 2,
            "ra": 10.0,
            "dec": 20.0,
            "isdiffpos": "t",
            "drb": 0.9,
            "exptime": 30.0,
        }
        packet["candidate"] = {**defaults, **candidate}
        return packet

    return make
