"""What the user tells a reader beside the file, and how it is set against the header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from astrid_ml.errors import UserError
from astrid_ml.types import Count, Floats, InUnits, Mask, NonNegative, Positive, Whole


@dataclass(frozen=True)
class RampOptions:
    """Values for what a header does not say; a value given here wins over the header.

    Args:
        format: auto, cube, jwst, wfc3, npy, patches (HDF5), or extensions (one read in each HDU; by explicit choice
            only).
        axes: order of a cube's axes: ``tyx``; ``auto`` refuses an order that looks wrong.
        unit: DN, e-, DN/s, e-/s or None (from BUNIT).
        gain: e-/DN or None (from the header).
        read_noise: noise of one read in e- or None (from the header).
        read_noise_is_cds: the given ``read_noise`` is that of a difference of two reads, sqrt(2) larger.
        group_time: seconds between groups or None (from the header).
        group_times: time of every group in s or None.
        reads_per_group: reads averaged into each group, where the header is silent.
        border: width of the reference-pixel border in pixels or None (from the header, else no border).
    """

    format: str = "auto"
    axes: str = "auto"
    unit: str | None = None
    gain: Annotated[Positive, InUnits("e-/DN")] | None = None
    read_noise: Annotated[NonNegative, InUnits("e-")] | None = None
    read_noise_is_cds: bool = False
    group_time: Annotated[Positive, InUnits("s")] | None = None
    group_times: Annotated[Sequence[float], InUnits("s")] | None = None
    reads_per_group: Count = 1
    border: Annotated[Whole, InUnits("px")] | None = None


def first_of(header: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """The first of these keywords that the header has with a value, else None."""
    for key in keys:
        if header.get(key) not in (None, ""):
            return header[key]
    return None


def text_of(header: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """The first of these keywords that the header has with a value, as text (a detector may be a number), else None."""
    found = first_of(header, keys)
    return None if found is None else str(found)


def number(given: float | None, header: Mapping[str, Any], keys: Sequence[str], what: str, key: str) -> float:
    """The user's value, else the header's.

    Raises:
        UserError: neither has it, for no default is ever assumed; or it is no number.
    """
    value = given if given is not None else first_of(header, keys)
    if value is None:
        raise UserError(what, f"none of the keywords {', '.join(keys)}", f"give preprocessing.load.{key}=VALUE")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        named = next((name for name in keys if header.get(name) == value), key)
        raise UserError(what, f"{named} = {str(value)[:40]!r}", f"give preprocessing.load.{key}=VALUE") from error


def read_noise_of(options: RampOptions, header: Mapping[str, Any]) -> float:
    """Noise of one read in e-. ``READNOIS``, ``RDNOISE`` and ``RON`` are taken as one read's."""
    value = number(options.read_noise, header, ("READNOIS", "RDNOISE", "RON"), "the read noise in e-", "read_noise")
    cds = options.read_noise_is_cds and options.read_noise is not None
    return value / float(np.sqrt(2.0)) if cds else value


def times_of(options: RampOptions, header: Mapping[str, Any], n_groups: int) -> Floats:
    """Times of the groups in s: given one by one, or from the time between groups."""
    if options.group_times is not None:
        return np.asarray(options.group_times, dtype=np.float64)
    keys = ("TGROUP", "GROUPTIM", "FRAMTIME", "TFRAME")
    step = number(options.group_time, header, keys, "the time between groups in s", "group_time")
    return np.arange(1, n_groups + 1, dtype=np.float64) * step


def unit_of(given: str | None, header: Mapping[str, Any]) -> tuple[str, bool]:
    """(``DN`` or ``e-``, whether the file holds a rate per second).

    Raises:
        UserError: no unit, or one that is neither counts nor electrons.
    """
    text = given if given is not None else first_of(header, ("BUNIT",))
    if text is None:
        raise UserError("the unit of the ramp", "no BUNIT", "give preprocessing.load.unit=DN (or e-)")
    plain = str(text).strip().lower().replace(" ", "")
    rate = plain.endswith(("/s", "/sec", "s-1"))
    stem = plain.removesuffix("/s").removesuffix("/sec").removesuffix("s-1").rstrip(".*")
    if stem in ("dn", "adu", "count", "counts"):
        return "DN", rate
    if stem in ("e-", "e", "electron", "electrons"):
        return "e-", rate
    raise UserError("a ramp in DN, e-, DN/s or e-/s", str(text), "give preprocessing.load.unit=DN (or e-)")


def border_mask(n_rows: int, n_cols: int, width: int) -> Mask | None:
    """True on the outermost ``width`` pixels; None for a width of 0."""
    if width <= 0:
        return None
    mask = np.ones((n_rows, n_cols), dtype=bool)
    mask[width:-width, width:-width] = False
    return mask


def bits_of(hdus: Any, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint32] | None:
    """Data-quality bits of an extension, broadcast to ``shape``; None where it is not there or holds no pixels.

    A constant extension may have no pixels but PIXVALUE.

    Raises:
        UserError: pixels of another shape.
    """
    if name not in hdus:
        return None
    data = hdus[name].data
    if data is None or np.size(data) == 0:
        constant = int(hdus[name].header.get("PIXVALUE", 0))
        return np.full(shape, constant, np.uint32) if constant else None
    bits = np.asarray(data).astype(np.uint32)
    if bits.shape[-min(bits.ndim, len(shape)) :] != shape[-min(bits.ndim, len(shape)) :]:
        raise UserError(f"{name} of the data's shape {shape}", str(bits.shape), "leave the extension out, or fix it")
    return np.broadcast_to(bits, shape)
