"""One packet -> one record and its three stamps, whatever the survey calls things."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.preprocessing.alerts.files import cutout_bytes, cutout_keys
from astrid_ml.preprocessing.alerts.stamp_fits import StampError, read_stamp
from astrid_ml.types import Floats32

NO_DATA = 1e37  # packets mark missing pixels with NaN, or with the largest float
TAI_MINUS_UTC = 37.0 / 86400  # days, since 2017; Rubin's times are TAI


@dataclass(frozen=True)
class Survey:
    """What differs between surveys.

    Args:
        name: survey and mission.
        size: nominal pixels on a side of a stamp.
        pixel_scale: arcsec.
        filters: ``fid`` -> name; empty where the packet names the band itself.
        only_filter: where there is only one.
    """

    name: str
    size: int
    pixel_scale: float
    filters: dict[int, str]
    only_filter: str | None = None


ZTF = Survey("ZTF", 63, 1.012, {1: "g", 2: "r", 3: "i"})
SURVEYS = {
    "ztf": ZTF,
    "pgir": Survey("Gattini", 61, 8.73, {}, "J"),
    "winter": Survey("WINTER", 81, 1.12, {1: "Y", 2: "J", 3: "Hs"}),
    "decam": Survey("DECam", 63, 0.263, {1: "g", 2: "r", 3: "i", 4: "z"}),
    "lsst": Survey("Rubin", 30, 0.2, {}),
}
# Further numbers of a candidate that are kept where they exist, as float.
NUMBERS = (
    "magpsf",
    "sigmapsf",
    "magzpsci",
    "rb",
    "drb",
    "fwhm",
    "classtar",
    "distnr",
    "sgscore1",
    "distpsnr1",
    "ssdistnr",
)


class PacketError(ValueError):
    """A packet that cannot be used; the message says why."""


def survey_of(packet: dict[str, Any]) -> Survey:
    """Which survey sent it: from the publisher, else from the object's name.

    Raises:
        PacketError: a survey that is not known here.
    """
    if "diaSourceId" in packet or "diaSource" in packet:
        return SURVEYS["lsst"]
    name = str(object_id(packet) or "")
    said = f"{packet.get('publisher') or ''} {name}".lower()
    for key, survey in SURVEYS.items():
        if key in said or (key == "winter" and name.startswith("WNTR")):
            return survey
    raise PacketError(f"a survey that is not known: {packet.get('publisher') or name or 'no publisher'}")


def object_id(packet: dict[str, Any]) -> Any:
    """The object's name in either spelling."""
    return packet.get("objectId") or packet.get("objectid") or packet.get("object_id")


def read_packet(packet: dict[str, Any]) -> tuple[dict[str, Any], Floats32]:
    """A record for the index and stamps (3, size, size): science, reference, difference, raw values.

    Stamps that were cut at an edge are padded bottom and right with NaN; ``stamp_h`` and ``stamp_w`` say how much is
    data. The difference is positive at the centre for negative detections too: ``sign`` says which they are.

    Raises:
        PacketError: no candidate, no id, a value of the wrong type, missing or damaged cutouts, or no finite pixel in
            one.
    """
    survey = survey_of(packet)
    try:
        record = rubin_record(packet) if survey.name == "Rubin" else candidate_record(packet, survey)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise PacketError(f"a value that cannot be read ({str(error)[:80]})") from error
    images = read_cutouts(packet)
    height, width = images[0].shape
    if height > survey.size or width > survey.size:
        raise PacketError(f"stamps of {height} x {width} pixels, {survey.name} has {survey.size}")
    stamps = padded(images, survey.size)
    bad = int(sum((~(np.abs(image) < NO_DATA)).sum() for image in images))
    record |= {"mission": survey.name, "survey": survey.name, "pixel_scale": survey.pixel_scale}
    return record | {"stamp_h": height, "stamp_w": width, "n_nan": bad}, stamps


def padded(images: Sequence[Floats32], size: int) -> Floats32:
    """Images of one shape, at most ``size`` on a side, as (n, size, size), with NaN at the bottom and on the right."""
    height, width = images[0].shape
    out = np.full((len(images), size, size), np.nan, dtype=np.float32)
    for channel, image in enumerate(images):
        out[channel, :height, :width] = image
    return out


def read_cutouts(packet: dict[str, Any]) -> list[Floats32]:
    """Three images of one shape."""
    images = []
    for key in cutout_keys(packet):
        try:
            content = cutout_bytes(packet.get(key))
            if content is None:
                raise PacketError(f"no {key}")
            image = read_stamp(content)
        except binascii.Error as error:
            raise PacketError(f"{key}: damaged base64") from error
        except StampError as error:
            raise PacketError(f"{key}: {error}") from error
        if not np.isfinite(image).any():
            raise PacketError(f"{key}: no finite pixel")
        images.append(image)
    if len({image.shape for image in images}) != 1:
        raise PacketError(f"cutouts of different sizes: {', '.join(str(image.shape) for image in images)}")
    return images


def candidate_record(packet: dict[str, Any], survey: Survey) -> dict[str, Any]:
    """The index columns of a packet with a ``candidate`` record."""
    candidate = packet.get("candidate")
    if not isinstance(candidate, dict):
        raise PacketError("no candidate")
    candid = packet.get("candid") or candidate.get("candid")
    if candid is None:
        raise PacketError("no candid")
    name = object_id(packet)
    exposure = candidate.get("exptime")
    start = candidate.get("jd")
    half = float(exposure) / 2 / 86400 if exposure else 0.0
    fid = candidate.get("fid")
    record = {
        "id": str(candid),
        "group_id": str(name if name is not None else candid),
        "filter": survey.only_filter or survey.filters.get(-1 if fid is None else int(fid)),
        "mjd": None if start is None else float(start) - 2400000.5 + half,
        "time_ref": "mid-exposure" if exposure else "start of exposure",
        "ra": _number(candidate.get("ra")),
        "dec": _number(candidate.get("dec")),
        "field": None if candidate.get("field") is None else str(candidate["field"]),
        "detector": None if candidate.get("rcid") is None else str(candidate["rcid"]),
        "snr": _number(candidate.get("scorr")),
        "sign": sign_of(candidate.get("isdiffpos")),
        "drbversion": candidate.get("drbversion") or None,
        "rbversion": candidate.get("rbversion") or None,
    }
    return record | {key: _number(candidate.get(key)) for key in NUMBERS}


def rubin_record(packet: dict[str, Any]) -> dict[str, Any]:
    """The index columns of a Rubin packet; ``reliability`` is Rubin's own score."""
    source = packet.get("diaSource") or {}
    identifier = packet.get("diaSourceId") or source.get("diaSourceId")
    if identifier is None:
        raise PacketError("no diaSourceId")
    owner = source.get("diaObjectId") or source.get("ssObjectId")
    if owner is None and isinstance(packet.get("diaObject"), dict):
        owner = packet["diaObject"].get("diaObjectId")
    middle = source.get("midpointMjdTai")
    known = owner is not None and np.isfinite(float(owner)) and float(owner) != 0
    return {
        "id": str(identifier),
        "group_id": str(identifier) if owner is None or not known else str(int(owner)),
        "filter": source.get("band"),
        "mjd": None if middle is None else float(middle) - TAI_MINUS_UTC,
        "time_ref": "mid-exposure",
        "ra": _number(source.get("ra")),
        "dec": _number(source.get("dec")),
        "field": None,
        "detector": None if source.get("detector") is None else str(source["detector"]),
        "snr": _number(source.get("snr")),
        "sign": -1 if source.get("isNegative") else 1,
        "drbversion": None,
        "rbversion": None,
        "reliability": _number(source.get("reliability")),
    } | dict.fromkeys(NUMBERS, None)


def sign_of(value: Any) -> int:
    """-1 for a negative detection: ``isdiffpos`` is 't', 'f', '1', '0', true, false, 1 or 0."""
    return -1 if str(value).strip().lower() in ("f", "0", "false", "0.0") else 1


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
