"""What bright stars spoil: haloes whose radius grows with flux, diffraction spikes, bleed trails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import torch

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.stars.bright_spikes import find_angles, spike_lengths, spike_mask
from astrid_ml.types import Floats, InUnits, Mask, Positive

BRIGHT_COLUMNS = ("x", "y", "flux", "saturated", "radius")


@dataclass(frozen=True)
class Wings:
    """Radial profile of a PSF, 1 / px^2 for unit flux: falling, and a power law beyond the stamp.

    Args:
        radius: (n,) px, ascending.
        profile: (n,) 1 / px^2, not rising.
        slope: positive exponent beyond the last radius.
    """

    radius: Floats
    profile: Floats
    slope: float

    def at(self, r: Floats) -> Floats:
        """Profile at radii (px)."""
        inner = np.exp(np.interp(r, self.radius, np.log(self.profile)))
        outer = self.profile[-1] * np.maximum(r / self.radius[-1], 1.0) ** -self.slope
        return np.asarray(np.where(r <= self.radius[-1], inner, outer))

    def reach(self, level: Floats) -> Floats:
        """Radius (px) inside which the profile exceeds ``level`` (1 / px^2)."""
        inner = np.interp(-np.log(level), -np.log(self.profile), self.radius, left=0.0)
        outer = self.radius[-1] * np.maximum(self.profile[-1] / level, 1.0) ** (1 / self.slope)
        return np.asarray(np.where(level >= self.profile[-1], inner, outer))


def wings_of(psf: torch.Tensor, steepest: float = 8.0) -> Wings:
    """Wings of a (k, k) PSF; the slope is that of the outer half of the stamp, 2 to ``steepest``."""
    data = psf.double().numpy()
    half = data.shape[0] // 2
    t = np.arange(-half, half + 1)
    r = np.hypot(t[:, None], t[None, :])
    ring = np.rint(r).astype(int)
    counts = np.bincount(ring.ravel())[: half + 1]
    mean = np.bincount(ring.ravel(), data.ravel())[: half + 1] / counts
    radius = np.bincount(ring.ravel(), r.ravel())[: half + 1] / counts
    # noise in an estimated PSF's rim may not make the profile rise or vanish
    profile = np.minimum.accumulate(np.maximum(mean, mean.max() * 1e-7))
    profile = profile * np.exp(-1e-9 * np.arange(half + 1))
    outer = slice(half // 2, half + 1)
    slope = -np.polyfit(np.log(radius[outer]), np.log(profile[outer]), 1)[0]
    return Wings(radius, profile, float(np.clip(slope, 2.0, steepest)))


def saturated_cores(data: Floats, mask: Mask, sigma: float, level: float = 20.0) -> Mask:
    """Masked islands with a rim brighter than ``level`` sigma: what was cut from a star, not a bad pixel."""
    from scipy import ndimage

    labels, n = ndimage.label(mask, np.ones((3, 3)))
    if n == 0:
        return np.zeros_like(mask)
    grown = ndimage.grey_dilation(labels, size=(3, 3))
    rim = (grown > 0) & ~mask & np.isfinite(data)
    medians = np.zeros(n + 1)
    found = np.unique(grown[rim])
    medians[found] = ndimage.median(data, np.where(rim, grown, 0), found)
    return np.asarray((medians > level * sigma)[labels] & mask)


def core_stars(data: Floats, mask: Mask, saturated: Mask, wings: Wings) -> pd.DataFrame:
    """Centres of saturated islands and the stars' flux from their wings: columns ``BRIGHT_COLUMNS`` but the radius.

    A row's weight in the centre is the cube of its width, so that a bleed trail does not draw it away.
    """
    from scipy import ndimage

    labels, _ = ndimage.label(saturated, np.ones((3, 3)))
    rows = []
    for i, box in enumerate(ndimage.find_objects(labels), start=1):
        island = labels[box] == i
        widths = island.sum(1).astype(float)
        weight = widths**3 / np.sum(widths**3)
        y = box[0].start + float(np.sum(weight * np.arange(len(widths))))
        centres = island @ np.arange(island.shape[1]) / np.maximum(widths, 1)
        x = box[1].start + float(np.sum(weight * centres))
        rows.append((x, y, _wing_flux(data, mask, x, y, widths.max() / 2, wings), True))
    return pd.DataFrame(rows, columns=pd.Index(BRIGHT_COLUMNS[:4]))


def _wing_flux(data: Floats, mask: Mask, x: float, y: float, core: float, wings: Wings) -> float:
    """Median over the ring outside the core of data over profile; 0 where nothing is left."""
    reach = int(core + 12)
    rows = np.arange(max(0, int(y) - reach), min(data.shape[0], int(y) + reach + 1))
    columns = np.arange(max(0, int(x) - reach), min(data.shape[1], int(x) + reach + 1))
    r = np.hypot(columns[None, :] - x, rows[:, None] - y)
    part = np.ix_(rows, columns)
    ring = (r > core + 1.5) & (r < core + 6) & ~mask[part] & np.isfinite(data[part])
    return float(np.median(data[part][ring] / wings.at(r[ring]))) if ring.any() else 0.0


def halo_mask(shape: tuple[int, int], x: Floats, y: Floats, radius: Floats) -> Mask:
    """(H, W) True within ``radius`` px of each position."""
    out = np.zeros(shape, dtype=bool)
    for cx, cy, r in zip(x, y, radius, strict=True):
        rows = np.arange(max(0, int(cy - r)), min(shape[0], int(cy + r) + 2))
        columns = np.arange(max(0, int(cx - r)), min(shape[1], int(cx + r) + 2))
        if rows.size and columns.size:
            disc = (columns[None, :] - cx) ** 2 + (rows[:, None] - cy) ** 2 <= r**2
            out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] |= disc
    return out


def bleed_mask(data: Floats, saturated: Mask, level: float, grow: int = 1, along: str = "columns") -> Mask:
    """Trails of charge: saturated islands longer than wide, continued while the pixels exceed ``level``.

    Args:
        data: (H, W).
        saturated: (H, W) bool.
        level: image units.
        grow: px to the sides.
        along: ``columns`` or ``rows``.
    """
    from scipy import ndimage

    if along == "rows":
        return bleed_mask(data.T, saturated.T, level, grow).T
    labels, _ = ndimage.label(saturated, np.ones((3, 3)))
    out = np.zeros_like(saturated)
    for i, box in enumerate(ndimage.find_objects(labels), start=1):
        island = labels[box] == i
        lengths = island.sum(0)
        for column in np.flatnonzero(lengths > 1.5 * island.sum(1).max()):
            filled = np.flatnonzero(island[:, column]) + box[0].start
            x = box[1].start + int(column)
            top, bottom = _continue(data[:, x], filled[0], -1, level), _continue(data[:, x], filled[-1], 1, level)
            out[top : bottom + 1, max(0, x - grow) : x + grow + 1] = True
    return out


def _continue(column: Floats, start: int, step: int, level: float) -> int:
    i = int(start)
    while 0 <= i + step < len(column) and column[i + step] > level:
        i += step
    return i


@dataclass(frozen=True)
class BrightMask:
    """What bright stars spoil.

    Args:
        mask: (H, W) bool, all of it.
        halo, spikes, bleeds: its parts, (H, W) bool each.
        stars: ``BRIGHT_COLUMNS``, the brightest first.
        angles: of the spikes, degrees from +x towards +y, 0 to 180.
    """

    mask: torch.Tensor
    halo: torch.Tensor
    spikes: torch.Tensor
    bleeds: torch.Tensor
    stars: pd.DataFrame
    angles: tuple[float, ...]


@dataclass(frozen=True)
class BrightStars:
    """Masks what bright stars spoil.

    Args:
        halo_level: the halo ends where its surface brightness falls to this many sky sigma per pixel.
        min_radius: px; stars with smaller haloes are not bright.
        max_radius: px.
        spike_angles: degrees from +x towards +y; None finds them, an empty list means none.
        spike_level: a spike ends where it falls to this many sky sigma per pixel.
        spike_width: px.
        bleed_level: sky sigma to which a trail is followed.
        bleed_along: ``columns`` or ``rows``.
    """

    halo_level: Positive = 1.0
    min_radius: Annotated[Positive, InUnits("px")] = 12.0
    max_radius: Annotated[Positive, InUnits("px")] = 400.0
    spike_angles: Annotated[Sequence[float], InUnits("deg")] | None = None
    spike_level: Positive = 2.0
    spike_width: Annotated[Positive, InUnits("px")] = 5.0
    bleed_level: Positive = 10.0
    bleed_along: str = "columns"

    def __call__(self, image: Image, psf: torch.Tensor, stars: pd.DataFrame | None = None) -> BrightMask:
        """Masks of a background-free image; ``stars`` (x, y, flux) are those that are not saturated."""
        data, mask = image.data.double().numpy(), image.mask.numpy()
        good = image.variance[~image.mask]
        sigma = float(good.median().sqrt()) if len(good) else 1.0
        known = image.saturated
        saturated = known.numpy() if known is not None else saturated_cores(data, mask, sigma)
        wings = wings_of(psf)
        table = self._stars(core_stars(data, mask, saturated, wings), stars, wings, sigma)
        x, y, radius = (table[name].to_numpy(dtype=float) for name in ("x", "y", "radius"))
        halo = halo_mask(image.shape, x, y, radius)
        angles = tuple(self.spike_angles) if self.spike_angles is not None else find_angles(data, mask, sigma, x, y)
        lengths = spike_lengths(data, mask, self.spike_level * sigma, x, y, angles)
        spikes = spike_mask(image.shape, x, y, angles, lengths, self.spike_width)
        bleeds = bleed_mask(
            np.where(saturated, np.inf, data), saturated, self.bleed_level * sigma, along=self.bleed_along
        )
        parts = [torch.from_numpy(part) for part in (halo | spikes | bleeds, halo, spikes, bleeds)]
        return BrightMask(parts[0], parts[1], parts[2], parts[3], table, angles)

    def _stars(self, cores: pd.DataFrame, others: pd.DataFrame | None, wings: Wings, sigma: float) -> pd.DataFrame:
        table = cores
        if others is not None and len(others):
            rest = others[["x", "y", "flux"]].assign(saturated=False)
            if len(cores):
                distance = np.hypot(
                    rest["x"].to_numpy()[:, None] - cores["x"].to_numpy(),
                    rest["y"].to_numpy()[:, None] - cores["y"].to_numpy(),
                )
                rest = rest[distance.min(1) > 5]
            table = pd.concat([cores, rest], ignore_index=True) if len(cores) else rest
        flux = np.maximum(table["flux"].to_numpy(dtype=float), 1e-9)
        radius = np.minimum(wings.reach(self.halo_level * sigma / flux), self.max_radius)
        # a saturated star's core is bright whatever its halo
        kept = (radius >= self.min_radius) | table["saturated"].to_numpy(dtype=bool)
        bright: pd.DataFrame = table.assign(radius=radius)[kept]
        return bright.sort_values("flux", ascending=False, kind="stable").reset_index(drop=True)
