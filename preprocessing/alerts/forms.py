"""The forms in which brokers hand on a survey's packet, and how each becomes the survey's own.

Fink's REST services flatten it (``i:jd`` for ZTF's record, ``r:band`` for Rubin's, ``b:`` for cutouts) and give cutouts
as arrays; BOOM keeps Rubin's and Roman's record under ``candidate``; RAPID calls the template a reference.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.types import Floats32

# Spellings of the three cutouts: science, template, difference.
CUTOUT_KEYS = (
    ("cutoutScience", "cutoutTemplate", "cutoutDifference"),
    ("cutout_science", "cutout_template", "cutout_difference"),
    ("cutoutScience", "cutoutReference", "cutoutDifference"),
    ("b:cutoutScience_stampData", "b:cutoutTemplate_stampData", "b:cutoutDifference_stampData"),
    ("b:cutoutScience", "b:cutoutTemplate", "b:cutoutDifference"),
)
_INSIDE = ("stampData", "$binary", "base64")
# Fink's prefix of a survey's own fields -> the record that holds them, and the fields that stand above it.
_FLAT = {"i:": ("candidate", ("objectId", "candid", "publisher")), "r:": ("diaSource", ("diaSourceId",))}
FLAT = tuple(_FLAT)


def own_form(packet: dict[str, Any]) -> dict[str, Any]:
    """A packet as its survey sends it; one of no broker's form as it is."""
    candidate = packet.get("candidate")
    if isinstance(candidate, Mapping):
        if "diaSourceId" in candidate and "diaSource" not in packet:
            return {**packet, "diaSource": candidate, "diaSourceId": candidate["diaSourceId"]}
        return packet
    if "diaSource" in packet or "diaSourceId" in packet:
        return packet
    for prefix, (record, above) in _FLAT.items():
        fields = {key[len(prefix) :]: value for key, value in packet.items() if key.startswith(prefix)}
        if fields:
            named = {key: fields[key] for key in above if key in fields}
            return {**{key: value for key, value in packet.items() if key.startswith("b:")}, **named, record: fields}
    return packet


def cutout_keys(packet: Mapping[str, Any]) -> tuple[str, str, str]:
    """The spelling of a packet's cutouts: science, template, difference."""
    for place in (1, 0):  # the template's name tells them best: that of the science image stands in two
        for keys in CUTOUT_KEYS:
            if keys[place] in packet:
                return keys
    return CUTOUT_KEYS[0]


def has_cutouts(packet: Mapping[str, Any]) -> bool:
    """Whether a document is meant as a packet: one of the three stands in it under some spelling."""
    return any(key in packet for keys in CUTOUT_KEYS for key in keys)


def cutout_content(value: Any) -> bytes | Floats32 | None:
    """A cutout without its wrappings: the bytes of a FITS file, or the image itself; None where there is none.

    Raises:
        binascii.Error: a text that is no base64.
        ValueError: rows of unequal length, or no numbers.
    """
    if isinstance(value, dict):
        # Mongo's two JSON spellings: {"$binary": text, "$type": "00"} and {"$binary": {"base64": text, ...}}.
        return cutout_content(next((value[key] for key in _INSIDE if key in value), None))
    if isinstance(value, str):
        return base64.b64decode(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value) or None
    if isinstance(value, list | np.ndarray) and len(value):
        return _of_numbers(value)
    return None


def cutout_bytes(value: Any) -> bytes | None:
    """The bytes of a cutout in any of its wrappings; None where there is none, or it is an array."""
    content = cutout_content(value)
    return content if isinstance(content, bytes) else None


def _of_numbers(value: Any) -> bytes | Floats32:
    """Rows of pixels as an image, null where nothing was measured; whole numbers in one row are bytes."""
    if isinstance(value[0], int):
        return bytes(value)
    rows = [np.asarray(row, dtype=np.float32) for row in value]
    if any(row.ndim != 1 or len(row) != len(rows[0]) for row in rows):
        raise ValueError("an array that is no image")
    return np.stack(rows)
