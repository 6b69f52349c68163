"""How alike the pixels of two stamps are, in the best turn, mirror, zoom and shift that connects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
from scipy import fft

from astrid_ml.audit.fingerprints import ANGLES, Rings
from astrid_ml.types import Complex, Floats, Floats32, Ints, Mask

ZOOMS = (0.9, 0.95, 1.0, 1.05, 1.1)
SHIFT = 9  # px along each axis
NEAR = 3  # px around the best shift that belong to it
CERTAIN = 6.0  # sigmas of chance that a correlation must exceed
MODES = 0.25  # independent numbers of a texture for each pixel
COMMON = 0.4  # share of two stamps' structure that lies at least in the pixels which a shift leaves to both
TOGETHER = 64  # stamps whose harmonics are made at once: more would leave the cache
FAINT = 0.1  # mean square of a texture, in units of its scatter, below which it tells nothing


@dataclass(frozen=True)
class Aligned:
    """Textures of one stamp, and what its comparisons need, each made once.

    Args:
        texture: (C, h, w).
        rings: in common with the stamps that it is compared with.
    """

    texture: Floats32
    rings: Rings
    _made: dict[float, Complex] = field(default_factory=dict)
    _parts: dict[bytes, Aligned] = field(default_factory=dict)

    @cached_property
    def numbers(self) -> Floats:
        """How many independent numbers the pixels within the rings tell, nearly, (C,).

        A large source may leave nothing but the corners, which no ring reaches.
        """
        within = _disc(*self.texture.shape[1:], float(self.rings.radii[-1]))
        out: Floats = MODES * ((self.texture != 0) & within).sum(axis=(1, 2)).astype(np.float64)
        return out

    @cached_property
    def told(self) -> Ints:
        """Pixels that tell anything, (C,)."""
        return np.asarray((self.texture != 0).sum(axis=(1, 2)))

    @cached_property
    def usable(self) -> Mask:
        """Whether enough of each channel tells anything, (C,)."""
        out: Mask = np.square(self.texture).mean(axis=(1, 2)) > FAINT
        return out

    def of(self, channels: Mask) -> Aligned:
        """Some channels alone."""
        if channels.all():
            return self
        key = channels.tobytes()
        if key not in self._parts:
            made = {zoom: harmonics[channels] for zoom, harmonics in self._made.items()}
            self._parts[key] = Aligned(self.texture[channels], self.rings, made)
        return self._parts[key]

    def harmonics(self, zoom: float) -> Complex:
        """(C, number of harmonics)."""
        if zoom not in self._made:
            self._made[zoom] = self.rings.harmonics(self.texture, zoom)
        return self._made[zoom]


def with_harmonics(stamps: Sequence[Aligned], zooms: Sequence[float]) -> None:
    """Make the harmonics of many stamps at once, which takes less time than one by one."""
    shapes = {stamp.texture.shape for stamp in stamps}
    for shape in shapes:
        alike = [stamp for stamp in stamps if stamp.texture.shape == shape]
        for start in range(0, len(alike), TOGETHER):
            some = alike[start : start + TOGETHER]
            flat = np.concatenate([stamp.texture for stamp in some])
            for zoom in zooms:
                made = some[0].rings.harmonics(flat, zoom).reshape(len(some), shape[0], -1)
                for stamp, own in zip(some, made, strict=True):
                    stamp._made[zoom] = own


@cache
def _disc(h: int, w: int, radius: float) -> Mask:
    """(h, w): within ``radius`` px of the middle."""
    y, x = np.ogrid[:h, :w]
    out: Mask = np.hypot(y - (h - 1) / 2, x - (w - 1) / 2) <= radius
    return out


def correlations(
    first: Aligned, second: Aligned, least: float = 0.0, *, turned: bool = True, shifted: bool = True
) -> Floats:
    """Correlation of each channel, (C,), in the alignment that is best for it; -1 where one has no structure.

    Args:
        first, second: the stamps.
        least: what is below is of no interest: alignments that cannot reach it are not looked at, their value is 0.
        turned: try all angles and zooms about the centre.
        shifted: try shifts, in the symmetries of the square.
    """
    usable = first.usable & second.usable
    both: Floats = np.full(len(usable), -1.0)
    if usable.any():
        one, two = first.of(usable), second.of(usable)
        ways = [way for way, tried in ((_turned, turned), (_shifted, shifted)) if tried]
        both[usable] = np.maximum.reduce([way(one, two, least) for way in ways])
    return both


def _turned(first: Aligned, second: Aligned, least: float) -> Floats:
    """Over all angles, both mirrors and the zooms, about the centre."""
    one = first.harmonics(1.0)
    own = np.square(np.abs(one)).sum(axis=1)
    others = np.stack([second.harmonics(zoom) for zoom in ZOOMS])  # (zooms, C, harmonics)
    norm = np.sqrt(own * np.square(np.abs(others)).sum(axis=2))
    product = np.stack([one * np.conj(others), one * others], axis=1)  # (zooms, mirrors, C, harmonics)
    found = fft.irfft(product @ first.rings.orders, n=ANGLES, axis=-1) * (ANGLES / 2)
    found /= np.where(norm > 0, norm, 1.0)[:, None, :, None]
    found = found.reshape(-1, *found.shape[2:])
    # One that is not at least so high in some channel, and not beyond chance, is no alignment.
    limit = np.maximum(CERTAIN / np.sqrt(np.maximum(np.minimum(first.numbers, second.numbers), 1e-9)), least)
    best = np.zeros(len(one))
    for each in found[(found.max(axis=2) >= limit).any(axis=1)]:
        best = np.maximum(best, _peaks(each[:, None], (0, 2)))
    return np.where(best < limit, 0.0, best)


def _shifted(first: Aligned, second: Aligned, least: float) -> Floats:
    """Over the 8 symmetries of the square and shifts, by the pixels that both then hold."""
    one, two = first.texture, second.texture
    best = np.zeros(len(one))
    size = tuple(fft.next_fast_len(int(a) + SHIFT + 1, real=True) for a in np.maximum(one.shape[1:], two.shape[1:]))
    energies = np.sqrt(np.square(one).sum(axis=(1, 2)) * np.square(two).sum(axis=(1, 2)))
    chance = CERTAIN / np.sqrt(MODES * np.maximum(np.minimum(first.told, second.told), 1))
    limit = COMMON * np.maximum(least, chance) * energies
    spectrum = fft.rfft2(one, size)
    reach = np.arange(-SHIFT, SHIFT + 1)
    for images in _symmetries(two):  # (symmetries, C, h, w)
        if images.shape[2] > size[0] or images.shape[3] > size[1]:
            continue
        products = _back(spectrum * np.conj(fft.rfft2(images, size)), size)
        middle = [(a - b) // 2 for a, b in zip(one.shape[1:], images.shape[2:], strict=True)]  # of other sizes
        place = (..., (middle[0] + reach)[:, None] % size[0], (middle[1] + reach)[None] % size[1])
        for which in np.flatnonzero((products[place].max(axis=(2, 3)) >= limit).any(axis=1)):
            ratio, weak = _normalised(products[which], one, images[which], size)
            best = np.maximum(best, _peaks(ratio[place], (NEAR, NEAR), weak[place]))
    return best


def _symmetries(texture: Floats32) -> list[Floats32]:
    """The 8 turns and mirrors of (C, h, w), those of one shape together."""
    turned = [np.rot90(texture, turn, axes=(1, 2)) for turn in range(4)]
    every = [image for each in turned for image in (each, each[..., ::-1])]
    shapes = {image.shape: [other for other in every if other.shape == image.shape] for image in every}
    return [np.stack(images) for images in shapes.values()]


def _normalised(product: Floats32, one: Floats32, image: Floats32, size: tuple[int, ...]) -> tuple[Floats, Mask]:
    """Products of all shifts over what both hold in the pixels that they share; and where that tells nothing."""
    (energy, cover), (power, mask) = (_spectra(each, size) for each in (one, image))
    inside = _back(energy * np.conj(mask), size) * _back(cover * np.conj(power), size)
    pixels = np.maximum(_back(cover * np.conj(mask), size), 1)
    ratio = product / np.sqrt(np.maximum(inside, 1e-6))
    # Of few pixels, or of many without structure, a high correlation is chance or rounding.
    return ratio, (ratio < CERTAIN / np.sqrt(MODES * pixels)) | (inside < np.square(FAINT * pixels))


def _peaks(found: Floats, near: tuple[int, int], weak: Mask | None = None) -> Floats:
    """The largest correlation of each channel, (C,); 0 where it does not stand out of those of other alignments.

    What two stamps have in common besides, an edge or correlated noise, makes all alignments more alike.

    Args:
        found: (C, a, b), over two coordinates of an alignment.
        near: how far the peak itself reaches along each.
        weak: where no peak counts.
    """
    count = found.shape[1] * found.shape[2]
    usable = (found if weak is None else np.where(weak, 0.0, found)).reshape(len(found), count)
    place = usable.argmax(axis=1)
    out: Floats = usable[np.arange(len(found)), place].astype(np.float64)
    top, left = np.divmod(place, found.shape[2])
    rows, columns = np.arange(found.shape[1]), np.arange(found.shape[2])
    for number in range(len(found)):
        apart = np.abs(rows - top[number])[:, None] > near[0]
        apart = apart | (np.abs(columns - left[number])[None] > near[1])
        rest = found[number][apart]
        if not len(rest) or out[number] < CERTAIN * np.sqrt(np.mean(np.square(rest))):
            out[number] = 0.0
    return out


def _spectra(texture: Floats32, size: tuple[int, ...]) -> tuple[Any, Any]:
    """Of the texture's square, of where it says anything."""
    where = (texture != 0).astype(np.float32)
    return fft.rfft2(np.square(texture), size), fft.rfft2(where, size)


def _back(spectrum: Any, size: tuple[int, ...]) -> Floats32:
    out: Floats32 = fft.irfft2(spectrum, size)
    return out
