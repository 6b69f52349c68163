"""What cutouts hold beside the image: the variance and the PSF of each of the three, where the survey sends them.

They are optional: what is lost of them is said, and the stamps stay.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from astrid_ml.preprocessing.alerts.forms import cutout_bytes, cutout_keys
from astrid_ml.preprocessing.alerts.packet import padded
from astrid_ml.preprocessing.alerts.stamp_fits import DAMAGE, StampError, open_fits, unpacked
from astrid_ml.preprocessing.surveys.survey import StampConvention
from astrid_ml.types import Array, Floats, Floats32


@dataclass(frozen=True)
class PlanesOfCutouts:
    """What could be read beside the images.

    Args:
        planes: ``variance`` (3, size, size), units squared, padded as the stamps are, with NaN; ``psf`` (3, k, k), each
            of sum 1.
        lost: plane -> why it is not there, though the cutouts have it.
    """

    planes: dict[str, Floats32] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)


def planes_of(packet: Mapping[str, Any], stamp: StampConvention) -> PlanesOfCutouts:
    """The planes of a packet's cutouts; none where one of the cutouts does not have all of them.

    Raises:
        StampError: a plane that the survey's description does not call optional cannot be read.
    """
    extensions = {name: word for name, word in (("variance", stamp.variance), ("psf", stamp.psf)) if word}
    if not extensions:
        return PlanesOfCutouts()
    found: dict[str, Floats32] = {}
    lost: dict[str, str] = {}
    try:
        cutouts = [_extensions(packet.get(key), extensions) for key in cutout_keys(packet)]
    except DAMAGE:
        cutouts, lost = [], dict.fromkeys(extensions, "damaged cutout")
    if not cutouts or any(part is None for cutout in cutouts for part in cutout.values()):
        return _checked(PlanesOfCutouts({}, lost), stamp)
    for name in extensions:
        try:
            parts = [np.asarray(cutout[name]) for cutout in cutouts]
            found[name] = _variances(parts, stamp) if name == "variance" else _psfs(parts, stamp)
        except DAMAGE as error:
            lost[name] = str(error) or "damaged"
    return _checked(PlanesOfCutouts(found, lost), stamp)


def _checked(read: PlanesOfCutouts, stamp: StampConvention) -> PlanesOfCutouts:
    needed = [name for name in read.lost if name not in stamp.optional]
    if needed:
        raise StampError(f"{needed[0]}: {read.lost[needed[0]]}")
    return read


def _extensions(value: Any, extensions: Mapping[str, str]) -> dict[str, Array | None]:
    """The named extensions of one cutout; None for each that it does not have."""
    content = cutout_bytes(value)
    if content is None:
        return dict.fromkeys(extensions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_fits(unpacked(content)) as hdus:
            named = {hdu.name: hdu for hdu in hdus}
            return {name: np.asarray(named[word].data) if word in named else None for name, word in extensions.items()}


def _variances(parts: list[Array], stamp: StampConvention) -> Floats32:
    shapes = {part.shape for part in parts}
    height, width = max(shapes) if len(shapes) == 1 else (0, 0)
    size = stamp.size or max(height, width)
    if len(shapes) != 1 or max(height, width) > size:
        raise StampError(f"variances that are not of one size, at most {size} x {size}")
    return padded(np.stack(parts).astype(np.float32), size)


def _psfs(parts: list[Array], stamp: StampConvention) -> Floats32:
    size = max([stamp.psf_size or 1, *(max(part.shape) for part in parts)])
    return np.stack([centred_psf(part.astype(np.float64), size + (size + 1) % 2) for part in parts])


def centred_psf(psf: Floats, size: int) -> Floats32:
    """A PSF stamp of odd size, sum 1, padded around its centre.

    Args:
        psf: (h, w), each at most ``size``.
        size: odd, pixels on a side of what is given back.

    Raises:
        StampError: its sum is 0 or not finite.
    """
    total = psf.sum()
    if psf.ndim != 2 or total == 0 or not np.isfinite(total):
        raise StampError(f"a PSF of sum {total:g}")
    out = np.zeros((size, size), dtype=np.float32)
    top, left = (size - psf.shape[0]) // 2, (size - psf.shape[1]) // 2
    out[top : top + psf.shape[0], left : left + psf.shape[1]] = psf / total
    return out
