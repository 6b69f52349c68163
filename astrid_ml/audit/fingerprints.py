"""Numbers by which copies of a stamp are found among many, whatever was done to them.

Three kinds, of the texture: the power spectrum, which no shift changes; the same folded over the symmetries of the
square; and products of neighbouring rings about the centre in their angular harmonics, which no turn and no mirror
changes (their real part). Zooms are tried one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy import fft
from scipy.signal.windows import tukey

from astrid_ml.audit.texture import HIGHEST
from astrid_ml.types import Array, Complex, Floats, Floats32, Ints, Mask

LOWEST = 0.04  # of the sampling frequency
POWER = 0.35  # of the spectrum: makes its exponential scatter nearly a normal one
ANGLES = 64
INNER = 4.0  # px: the first ring
RATIO = 1.07  # of the radii of two rings: the zoom that makes one of the other
SHARE = 0.45  # of the side: the outermost ring
TAPER = 0.3
ZOOMS = (1 / RATIO, 1.0, RATIO)  # each finds zooms within 0.04 of it


@dataclass(frozen=True)
class Rings:
    """The rings and harmonics that stamps of some size have in common.

    Args:
        side: of the smallest stamp, px.
    """

    side: int

    @cached_property
    def radii(self) -> Floats:
        """px, ascending; at least one."""
        count = int(np.log(max(SHARE * self.side / INNER, 1.0)) / np.log(RATIO) + 1e-9) + 1
        out: Floats = INNER * RATIO ** np.arange(count, dtype=np.float64)
        return out

    @cached_property
    def used(self) -> tuple[Ints, Ints]:
        """Ring and order of each harmonic that the filter lets through."""
        orders = np.arange(1, ANGLES // 2 - 1)
        ring, place = np.nonzero(orders[None] <= np.maximum(2 * np.pi * self.radii * HIGHEST, 1)[:, None])
        return ring.astype(np.int64), orders[place]

    @cached_property
    def orders(self) -> Floats32:
        """(number of ``used``, ANGLES / 2 + 1): 1 where a harmonic is of an order: a product with it sums by order."""
        return np.asarray(self.used[1][:, None] == np.arange(ANGLES // 2 + 1), dtype=np.float32)

    def harmonics(self, textures: Floats32, zoom: float = 1.0) -> Complex:
        """Angular harmonics of each ring.

        Args:
            textures: (n, h, w).
            zoom: factor of the radii.

        Returns:
            (n, number of ``used``), each ring weighted by its area.
        """
        ring, order = self.used
        weight = (self.radii / self.radii[-1]).astype(np.float32)
        out: Complex = self._sampled(textures, zoom * self.radii)[:, ring, order] * weight[ring]
        return out

    def turned(self, textures: Floats32) -> list[Floats32]:
        """What no turn and no mirror changes, (n, d), at each of ``ZOOMS``.

        Args:
            textures: (n, h, w).
        """
        wider = np.concatenate([[self.radii[0] / RATIO], self.radii, [self.radii[-1] * RATIO]])
        whole = self._sampled(textures, wider)
        return [self._products(whole[:, start : start + len(self.radii)]) for start in range(len(ZOOMS))]

    def _products(self, rings: Complex) -> Floats32:
        """Real parts of the products of neighbouring rings, their size by its square root."""
        ring, order = self.used
        inner = ring < len(self.radii) - 1
        weight = np.sqrt(self.radii / self.radii[-1]).astype(np.float32)[None, :, None]  # inner rings hold fewer pixels
        rings = rings * weight
        product = rings[:, ring[inner], order[inner]] * np.conj(rings[:, ring[inner] + 1, order[inner]])
        out: Floats32 = (product.real / np.sqrt(np.abs(product) + 1e-6)).astype(np.float32)
        return out

    def _sampled(self, textures: Floats32, radii: Floats) -> Complex:
        """Harmonics of orders 0 to 32 of some rings, (n, rings, 33)."""
        n, h, w = textures.shape
        angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
        y = (h - 1) / 2 + radii[:, None] * np.sin(angle)
        x = (w - 1) / 2 + radii[:, None] * np.cos(angle)
        top, left = (np.clip(np.floor(v), 0, size - 2).astype(np.int64) for v, size in ((y, h), (x, w)))
        up, along = (np.clip(v - low, 0, 1).astype(np.float32) for v, low in ((y, top), (x, left)))
        flat = textures.reshape(n, h * w)
        place = top * w + left
        rings = flat[:, place] * ((1 - up) * (1 - along)) + flat[:, place + 1] * ((1 - up) * along)
        rings += flat[:, place + w] * (up * (1 - along)) + flat[:, place + w + 1] * (up * along)
        out: Complex = fft.rfft(rings, axis=-1)
        return out


def spectra(textures: Floats32, side: int) -> tuple[Floats32, Floats32]:
    """The power spectrum, and the same folded over the symmetries of the square.

    Args:
        textures: (n, h, w).
        side: of the smallest stamp, px: the middle of that size is used.

    Returns:
        (n, d) and (n, e).
    """
    size = side // 2 * 2
    top, left = ((length - size) // 2 for length in textures.shape[-2:])
    window = tukey(size, TAPER).astype(np.float32) + np.float32(1e-3)
    part = textures[:, top : top + size, left : left + size] * (window[:, None] * window)
    power = np.square(np.abs(fft.rfft2(part)))
    down, along = fft.fftfreq(size)[:, None], fft.rfftfreq(size)[None]
    once = ~((along == 0) & (down < 0))
    whole = power[:, once & _within(np.hypot(down, along))]
    half = size // 2
    folded = power[:, : half + 1, :] + power[:, -np.arange(half + 1) % size, :]
    folded = folded + folded.swapaxes(-1, -2)
    a, b = np.triu_indices(half + 1)
    kept = _within(np.hypot(a, b) / size)
    return (whole**POWER).astype(np.float32), (folded[:, a[kept], b[kept]] ** POWER).astype(np.float32)


def _within(frequency: Array) -> Mask:
    out: Mask = (frequency > LOWEST) & (frequency < HIGHEST)
    return out


def projected(features: Floats32, size: int) -> Floats32:
    """The same distances, nearly, in fewer numbers: a fixed random projection where there are more than ``size``.

    Args:
        features: (n, d).
        size: most numbers of each.
    """
    count = features.shape[1]
    return features if count <= size else features @ _mixed(count, size)


@cache
def _mixed(count: int, size: int) -> Floats32:
    mixed = np.random.default_rng(count).normal(size=(count, size)).astype(np.float32)
    return mixed / np.float32(np.sqrt(size))
