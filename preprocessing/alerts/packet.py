"""One packet -> one record and its three stamps, as the description of its survey says."""

from __future__ import annotations

import binascii
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.preprocessing.alerts.fields.angles import degrees_of
from astrid_ml.preprocessing.alerts.fields.keys import first_of, values_of
from astrid_ml.preprocessing.alerts.fields.names import LOST_DIGITS, exact_text, lost_digits
from astrid_ml.preprocessing.alerts.fields.numbers import NUMBERS, measured, number
from astrid_ml.preprocessing.alerts.fields.numbers import without_marks as without_marks_in
from astrid_ml.preprocessing.alerts.fields.times import mjd_of
from astrid_ml.preprocessing.alerts.fields.unsaid import absent_key, unsaid
from astrid_ml.preprocessing.alerts.forms import cutout_content, cutout_keys, own_form
from astrid_ml.preprocessing.alerts.stamp_fits import StampError, read_stamp
from astrid_ml.preprocessing.stamps import MARKED_PIXELS, why_blank, without_marks
from astrid_ml.preprocessing.surveys.registry import Surveys, surveys_of
from astrid_ml.preprocessing.surveys.survey import PacketKeys, Survey, TimeConvention
from astrid_ml.reasons import shortened
from astrid_ml.types import Floats32

UNKNOWN = "unknown"  # what a packet says and nobody understands
# Degrees; days (1858 to 2132). NaN is how packets say that they do not know.
RANGES = {"ra": (0.0, 360.0), "dec": (-90.0, 90.0), "mjd": (0.0, 100_000.0)}
LONGEST = 1e6  # seconds of one exposure
MARKS_AS_NULL = "numbers_that_mark_no_value"  # a count: -999 and its like, and magnitudes of 99
OBJECT_NAMES = ("objectId", "objectid", "object_id")


class PacketError(ValueError):
    """A packet that cannot be used; the message says why."""


def survey_of_packet(packet: Mapping[str, Any], surveys: Surveys) -> tuple[Survey, PacketKeys]:
    """Which survey sent it, and where its packets say what.

    Raises:
        PacketError: nobody's, of several surveys, of another one than was given, or of one without packets.
    """
    found = surveys.of_packet(packet, (packet.get(name) for name in OBJECT_NAMES))
    if found.survey is None:
        fix = "" if (surveys.chosen is not None) else "; say survey=NAME, or describe it: survey=FILE.yaml"
        raise PacketError(f"a survey that is not known: {shortened(found.by, 120)}{fix}")
    if found.survey.packet is None:
        raise PacketError(f"a packet of {found.survey.name}, whose description has no packets")
    return found.survey, found.survey.packet


def read_packet(
    packet: dict[str, Any], surveys: Surveys | None = None, account: Counter[str] | None = None
) -> tuple[dict[str, Any], Floats32]:
    """A record for the index and stamps (3, size, size): science, reference, difference, raw values.

    Stamps that were cut at an edge are padded bottom and right with NaN; ``stamp_h`` and ``stamp_w`` say how much is
    data. The difference is positive at the centre for negative detections too, turned over where the survey sends it
    negative: ``sign`` says which they are. Numbers and pixels that mark missing values (-999, 1e30) are null and NaN.

    Args:
        packet: as it was read.
        surveys: among which it is recognised; by default the packaged ones.
        account: gets how many numbers and pixels were such marks.

    Raises:
        PacketError: no candidate, no id, a value of the wrong type, missing or damaged cutouts, or no finite pixel in
            one.
    """
    packet = own_form(packet)
    survey, _ = survey_of_packet(packet, surveys or surveys_of())
    stamp = survey.stamp
    assert stamp is not None  # a description with packets has stamps
    try:
        record, marks = without_marks_in(packet_record(packet, survey))
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        if isinstance(error, PacketError):
            raise
        raise PacketError(f"a value that cannot be read ({shortened(str(error), 80)})") from error
    if why := absent_key(packet, survey):
        raise PacketError(why)
    whole, pixels = without_marks(np.stack(read_cutouts(packet))[None], stamp.largest)
    images = whole[0]
    height, width = images.shape[1:]
    size = stamp.size or max(height, width)
    if stamp.larger:
        size = max(size, height, width)
    if height > size or width > size:
        raise PacketError(f"stamps of {height} x {width} pixels, {survey.name} has {size}")
    if stamp.negative == "negative" and record["sign"] == -1:
        np.negative(images[2], out=images[2])
    blank = why_blank(images, stamp.largest)
    if blank:
        raise PacketError(blank)
    stamps = padded(images, size)
    if account is not None:
        account.update({MARKS_AS_NULL: marks, MARKED_PIXELS: pixels, **_doubtful_exposure(packet, survey)})
        account.update(unsaid(packet, record, survey))
    bad = images.size - np.count_nonzero(np.abs(images) < stamp.largest)  # NaN is not
    record |= {"mission": survey.mission, "survey": survey.name, "pixel_scale": stamp.pixel_scale}
    return record | {"stamp_h": height, "stamp_w": width, "n_nan": bad}, stamps


def possible(record: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A record without values that nothing on the sky has, and the columns that had one: they are null now.

    Args:
        record: of :func:`read_packet`.

    Example:
        >>> possible({"id": "1", "ra": 1e300, "dec": 5.0, "mjd": 60000.0})
        ({'id': '1', 'ra': None, 'dec': 5.0, 'mjd': 60000.0}, ['ra'])
    """
    wrong = [
        name
        for name, (least, most) in RANGES.items()
        if (value := record.get(name)) is not None and not least <= value <= most and not np.isnan(value)
    ]
    wrong += [name for name in ("filter", "sign") if record.get(name) == UNKNOWN]
    return record | dict.fromkeys(wrong), wrong


def padded(images: Floats32, size: int) -> Floats32:
    """Images, (n, h, w), at most ``size`` on a side, as (n, size, size), with NaN at the bottom and on the right."""
    height, width = images.shape[1:]
    if height == width == size:
        return images
    out = np.full((len(images), size, size), np.nan, dtype=np.float32)
    out[:, :height, :width] = images
    return out


def read_cutouts(packet: dict[str, Any]) -> list[Floats32]:
    """Three images of one shape."""
    images = []
    for key in cutout_keys(packet):
        image = _image(packet.get(key), key)
        if not (image.size and np.isfinite(image.flat[0])) and not np.isfinite(image).any():
            raise PacketError(f"{key}: no finite pixel")
        images.append(image)
    if len({image.shape for image in images}) != 1:
        raise PacketError(f"cutouts of different sizes: {', '.join(str(image.shape) for image in images)}")
    return images


def _image(value: Any, key: str) -> Floats32:
    """The image of one cutout; the key names it."""
    try:
        content = cutout_content(value)
    except binascii.Error as error:
        raise PacketError(f"{key}: damaged base64") from error
    except (ValueError, TypeError) as error:
        raise PacketError(f"{key}: an array that is no image") from error
    if content is None:
        raise PacketError(f"no {key}")
    try:
        return read_stamp(content) if isinstance(content, bytes) else content
    except StampError as error:
        raise PacketError(f"{key}: {error}") from error


def packet_record(packet: Mapping[str, Any], survey: Survey) -> dict[str, Any]:
    """The index columns of a packet, by the keys of its survey's description.

    Raises:
        PacketError: the record of the measurement, or the identifier, is not there.
        ValueError, TypeError: a value that is no number.
    """
    keys = survey.packet
    assert keys is not None
    numbers = packet.get(keys.numbers) if keys.numbers else {}
    if not isinstance(numbers, Mapping):
        raise PacketError(f"no {keys.numbers}")
    identifier = _name(packet, keys, "id")
    if identifier is None:
        raise PacketError(f"no {keys.keys['id'][0]}")
    exposure = _exposure(packet, keys)
    record = {
        "id": identifier,
        "group_id": _name(packet, keys, "object", keys.unknown_objects) or identifier,
        "filter": keys.only_filter or _filter_of(first_of(packet, keys, "filter"), survey),
        "mjd": _mid_exposure(packet, survey, exposure),
        "time_ref": "mid-exposure" if exposure or keys.reference == "middle" else f"{keys.reference} of exposure",
        "ra": degrees_of(first_of(packet, keys, "ra"), "ra", keys.position_unit),
        "dec": degrees_of(first_of(packet, keys, "dec"), "dec", keys.position_unit),
        "field": _text(first_of(packet, keys, "field")),
        "detector": _text(first_of(packet, keys, "detector")),
        "snr": _snr(packet, keys),
        "sign": _sign(packet, keys),
        "drbversion": first_of(packet, keys, "drbversion") or None,
        "rbversion": first_of(packet, keys, "rbversion") or None,
    }
    if "reliability" in keys.keys:
        record["reliability"] = number(first_of(packet, keys, "reliability"))
    return record | {key: number(numbers.get(key)) for key in NUMBERS}


def sign_of(value: Any) -> int | str | None:
    """-1 for a negative detection, 1 for a positive one, None where nothing is said; else ``UNKNOWN``.

    ``isdiffpos`` is 't' or 'f', true or false, 1 or 0; of ALeRCE 1 or -1.
    """
    if value is None:
        return None
    said = str(value).strip().lower()
    if said in ("t", "1", "true", "1.0", "+"):
        return 1
    return -1 if said in ("f", "0", "false", "0.0", "-1", "-1.0", "-") else UNKNOWN


def _name(packet: Mapping[str, Any], keys: PacketKeys, role: str, unknown: tuple[int, ...] = ()) -> str | None:
    """An identifier as text; None where the packet has none, or a number that stands for none.

    Raises:
        PacketError: the number is a float that has lost digits, and no other field has them.
    """
    lost = ""
    for name, value in values_of(packet, keys, role):
        text = exact_text(value)
        if text is None:
            part = isinstance(value, float) and math.isfinite(value)  # 1.5, too
            lost = lost or (name if part or lost_digits(value) else "")
        elif text not in map(str, unknown) and (not lost or text.isdigit()):  # no name of a database for a number
            return text
    if lost:
        raise PacketError(f"{lost} {LOST_DIGITS}")
    return None


def _filter_of(said: Any, survey: Survey) -> str | None:
    """The filter by its number or its name; a name that the description does not have stays as it is."""
    if said is None:
        return None
    known = survey.band_of(said) if isinstance(said, str) else None
    numbered = bool(survey.bands) and all(band.code is not None for band in survey.bands.values())
    if known is None and isinstance(said, str) and not re.fullmatch(r"\s*[-+]?\d+\s*", said):
        return UNKNOWN if numbered else said.strip()
    return known or survey.band_of(int(said)) or UNKNOWN


def _mid_exposure(packet: Mapping[str, Any], survey: Survey, exposure: float | None) -> float | None:
    """MJD, UTC; of the start or the end where the packet does not say how long the exposure was."""
    keys = survey.packet
    assert keys is not None
    name, value = next(values_of(packet, keys, "time"), ("", None))
    if value is None:
        return None
    kind = name.rpartition(".")[2] if keys.time_format == "by key" else keys.time_format
    days, utc = mjd_of(value, kind, keys.time_zero)
    half = (exposure or 0.0) / 172800 * {"start": 1, "middle": 0, "end": -1}[keys.reference]
    scale = TimeConvention("tai") if name.endswith("Tai") else survey.time  # a name that says it goes first
    return days + half - (0.0 if utc else scale.ahead_of_utc)


def _snr(packet: Mapping[str, Any], keys: PacketKeys) -> float | None:
    """As the packet states it, else flux over its error."""
    stated = number(first_of(packet, keys, "snr"))
    flux, error = (measured(first_of(packet, keys, role)) for role in ("flux", "flux_err"))
    if stated is not None or flux is None or error is None or not error > 0:
        return stated
    return flux / error


def _sign(packet: Mapping[str, Any], keys: PacketKeys) -> int | str | None:
    """As the packet states it; else by its flux, or by an S/N below 0: one above 0 may be an absolute value."""
    stated = sign_of(first_of(packet, keys, "negative"))
    if stated is not None:
        return stated if isinstance(stated, str) else -stated
    stated = sign_of(first_of(packet, keys, "positive"))
    if stated is not None:
        return stated
    flux, snr = (measured(first_of(packet, keys, role)) for role in ("flux", "snr"))
    if flux:
        return 1 if flux > 0 else -1
    return -1 if snr is not None and snr < 0 else None


def _exposure(packet: Mapping[str, Any], keys: PacketKeys) -> float | None:
    """Seconds; None where the packet has none, or a number that is no duration, or none of this survey's."""
    said = number(first_of(packet, keys, "exposure"))
    if said is None or not 0 < said < LONGEST:
        return None
    if keys.exposures is None:
        return said
    shortest, longest = keys.exposures
    return next((seconds for seconds in (said, said / 1000) if shortest <= seconds <= longest), None)


def _doubtful_exposure(packet: Mapping[str, Any], survey: Survey) -> dict[str, int]:
    """What is counted of an exposure that is not in seconds."""
    keys = survey.packet
    assert keys is not None
    said, seconds = number(first_of(packet, keys, "exposure")), _exposure(packet, keys)
    if said is None or seconds == said:
        return {}
    return {"exposures_in_milliseconds" if seconds else "exposures_that_are_none": 1}


def _text(value: Any) -> str | None:
    """A name that may be a number: that of a field stays ``7`` where a table made it 7.0."""
    return None if value is None or value != value else exact_text(value) or str(value)
