"""How alike the pixels of two stamps are, in the best turn, mirror, zoom and shift that connects them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import fft

from astrid_ml.audit.fingerprints import ANGLES, Rings
from astrid_ml.types import Complex, Floats, Floats32, Mask

ZOOMS = (0.9, 0.95, 1.0, 1.05, 1.1)
SHIFT = 9  # px along each axis
NEAR = 3  # px around the best shift that belong to it
CERTAIN = 6.0  # sigmas of chance that a correlation must exceed
MODES = 0.25  # independent numbers of a texture for each pixel
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

    @property
    def numbers(self) -> Floats:
        """How many independent numbers the pixels within the rings tell, nearly, (C,).

        A large source may leave nothing but the corners, which no ring reaches.
        """
        h, w = self.texture.shape[1:]
        y, x = np.ogrid[:h, :w]
        within = np.hypot(y - (h - 1) / 2, x - (w - 1) / 2) <= self.rings.radii[-1]
        out: Floats = MODES * (self.texture[:, within] != 0).sum(axis=1).astype(np.float64)
        return out

    @property
    def usable(self) -> Mask:
        """Whether enough of each channel tells anything, (C,)."""
        out: Mask = np.square(self.texture).mean(axis=(1, 2)) > FAINT
        return out

    def harmonics(self, zoom: float) -> Complex:
        """(C, number of harmonics)."""
        if zoom not in self._made:
            self._made[zoom] = self.rings.harmonics(self.texture, zoom)
        return self._made[zoom]


def correlations(first: Aligned, second: Aligned) -> Floats:
    """Correlation of each channel, (C,), in the alignment that is best for it; -1 where one has no structure."""
    turned = _turned(first, second)
    shifted = _shifted(first.texture, second.texture)
    both: Floats = np.maximum(turned, shifted)
    both[~(first.usable & second.usable)] = -1.0
    return both


def _turned(first: Aligned, second: Aligned) -> Floats:
    """Over all angles, both mirrors and the zooms, about the centre."""
    _, order = first.rings.used
    one = first.harmonics(1.0)
    own = np.square(np.abs(one)).sum(axis=1)
    best = np.full(len(one), -1.0)
    for zoom in ZOOMS:
        other = second.harmonics(zoom)
        norm = np.sqrt(own * np.square(np.abs(other)).sum(axis=1))
        for image in (other, np.conj(other)):
            product = one * np.conj(image)
            by_order = np.zeros((len(one), ANGLES // 2 + 1), dtype=np.complex128)
            for number in range(1, by_order.shape[1]):
                by_order[:, number] = product[:, order == number].sum(axis=1)
            found = fft.irfft(by_order, n=ANGLES, axis=1) * (ANGLES / 2) / np.where(norm > 0, norm, 1.0)[:, None]
            best = np.maximum(best, _peaks(found[:, None], (0, 2)))
    numbers = np.minimum(first.numbers, second.numbers)
    return np.where(best < CERTAIN / np.sqrt(np.maximum(numbers, 1e-9)), 0.0, best)


def _shifted(one: Floats32, two: Floats32) -> Floats:
    """Over the 8 symmetries of the square and shifts, by the pixels that both then hold."""
    best = np.full(len(one), -1.0)
    size = tuple(fft.next_fast_len(int(a) + SHIFT + 1, real=True) for a in np.maximum(one.shape[1:], two.shape[1:]))
    spectrum, energy, cover = _spectra(one, size)
    reach = np.arange(-SHIFT, SHIFT + 1)
    for turn in range(4):
        for image in (rotated := np.rot90(two, turn, axes=(1, 2)), rotated[..., ::-1]):
            if image.shape[1] > size[0] or image.shape[2] > size[1]:
                continue
            other, power, mask = _spectra(image, size)
            product = _back(spectrum * np.conj(other), size)
            inside = _back(energy * np.conj(mask), size) * _back(cover * np.conj(power), size)
            pixels = np.maximum(_back(cover * np.conj(mask), size), 1)
            ratio = product / np.sqrt(np.maximum(inside, 1e-6))
            # Of few pixels, or of many without structure, a high correlation is chance or rounding.
            weak = (ratio < CERTAIN / np.sqrt(MODES * pixels)) | (inside < np.square(FAINT * pixels))
            middle = [(a - b) // 2 for a, b in zip(one.shape[1:], image.shape[1:], strict=True)]  # of other sizes
            place = (slice(None), (middle[0] + reach)[:, None] % size[0], (middle[1] + reach)[None] % size[1])
            best = np.maximum(best, _peaks(ratio[place], (NEAR, NEAR), weak[place]))
    return best


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


def _spectra(texture: Floats32, size: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Of the texture, of its square, of where it says anything."""
    where = (texture != 0).astype(np.float32)
    return fft.rfft2(texture, size), fft.rfft2(np.square(texture), size), fft.rfft2(where, size)


def _back(spectrum: Any, size: tuple[int, ...]) -> Floats32:
    out: Floats32 = fft.irfft2(spectrum, size)
    return out
