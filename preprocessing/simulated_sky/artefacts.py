"""What detectors and skies add to an image: gradients, trails, cosmic rays, bad pixels, saturation with bleeding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.types import Floats, Ints, Mask


@dataclass(frozen=True)
class Artefacts:
    """How many there are; all off by default. The same for science and reference, drawn apart.

    Args:
        gradient: peak-to-peak change of the sky over the field, as a share of it.
        trails: satellite trails in the science image, expected number; its width is the PSF's.
        trail_snr: brightness of a trail on its axis, in sigma of the sky, (low, high).
        cosmic_rays: per Mpx, not flagged; the reference, a mean of frames, has none.
        cosmic_charge: e- in each pixel of a track, (low, high), log-uniform.
        hot_pixels: per Mpx, not flagged, in the science image.
        bad_pixels: share of pixels that are dead and flagged.
        bad_columns: columns per 1000 px of width that are dead over part of their height, and flagged.
        bleed: whether saturated pixels spill along columns.
    """

    gradient: float = 0.0
    trails: float = 0.0
    trail_snr: tuple[float, float] = (2.0, 30.0)
    cosmic_rays: float = 0.0
    cosmic_charge: tuple[float, float] = (150.0, 5000.0)
    hot_pixels: float = 0.0
    bad_pixels: float = 0.0
    bad_columns: float = 0.0
    bleed: bool = False


def sky_plane(shape: tuple[int, int], sky: float, gradient: float, rng: np.random.Generator) -> Floats:
    """A sky that tilts and bends smoothly: mean ``sky``, peak to peak about ``gradient * sky``."""
    if gradient == 0:
        return np.full(shape, sky)
    v, u = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]
    angle = rng.uniform(0, 2 * np.pi)
    bend = (u**2 + v**2 - 2 / 3) / 4
    return np.asarray(
        sky * (1 + gradient * (0.35 * (u * np.cos(angle) + v * np.sin(angle)) + rng.uniform(-1, 1) * bend))
    )


def add_trail(mean: Floats, width: float, peak: float, rng: np.random.Generator) -> Floats:
    """A straight trail through a random point, Gaussian across with this FWHM (px); ``peak`` in e- on its axis.

    Returns:
        (n, 2) x and y of points of its axis, a pixel apart, within the image.
    """
    h, w = mean.shape
    angle, x, y = rng.uniform(0, np.pi), rng.uniform(0, w), rng.uniform(0, h)
    across = (np.arange(w)[None, :] - x) * np.sin(angle) - (np.arange(h)[:, None] - y) * np.cos(angle)
    mean += peak * np.exp(-4 * np.log(2) * (across / width) ** 2)
    along = np.arange(-h - w, h + w + 1.0)
    points = np.column_stack([x + along * np.cos(angle), y + along * np.sin(angle)])
    inside = (points >= 0).all(1) & (points < (w, h)).all(1)
    return np.asarray(points[inside])


def cosmic_rays(
    shape: tuple[int, int], density: float, charge: tuple[float, float], rng: np.random.Generator
) -> tuple[Floats, Floats, Ints]:
    """Charge (e-) of tracks of 1 to 30 px, (n, 2) x and y of their pixels, and (n,) which track each is of.

    ``density`` is per Mpx.
    """
    h, w = shape
    out, places, tracks = np.zeros(shape), [np.zeros((0, 2))], [np.zeros(0, dtype=np.int64)]
    for number in range(int(rng.poisson(density * h * w / 1e6))):
        length, angle = min(30.0, 1 + rng.exponential(4.0)), rng.uniform(0, np.pi)
        t = np.arange(0, length, 0.25)
        cols = np.rint(rng.uniform(0, w - 1) + t * np.cos(angle)).astype(int)
        rows = np.rint(rng.uniform(0, h - 1) + t * np.sin(angle)).astype(int)
        level = np.exp(rng.uniform(np.log(charge[0]), np.log(charge[1])))
        ok = (rows >= 0) & (rows < h) & (cols >= 0) & (cols < w)
        # A quarter pixel of path leaves a quarter of the charge, so that grazing pixels get less.
        np.add.at(out, (rows[ok], cols[ok]), 0.25 * level)
        places.append(np.unique(np.column_stack([cols[ok], rows[ok]]), axis=0).astype(np.float64))
        tracks.append(np.full(len(places[-1]), number))
    return out, np.concatenate(places), np.concatenate(tracks)


def bad_mask(shape: tuple[int, int], share: float, columns: float, rng: np.random.Generator) -> Mask:
    """Dead pixels and stretches of dead columns."""
    h, w = shape
    mask = rng.random(shape) < share if share > 0 else np.zeros(shape, bool)
    for _ in range(int(rng.poisson(columns * w / 1000))):
        start, length = rng.integers(0, h), rng.integers(h // 8, h)
        mask[start : start + length, rng.integers(0, w)] = True
    return mask


def saturate(data: Floats, full_well: float, bleed: bool) -> tuple[Floats, Mask]:
    """Clip at the full well (e-); the excess spills up and down the column where ``bleed``.

    Returns:
        data and the saturated pixels.
    """
    over = data >= full_well
    if not over.any():
        return data, over
    out = np.minimum(data, full_well)
    if bleed:
        for column in np.flatnonzero(over.any(axis=0)):
            _bleed(data[:, column], out[:, column], over[:, column], full_well)
    return out, over


def _bleed(charge: Floats, out: Floats, over: Mask, full_well: float) -> None:
    """Spill one column's excess in place, half to either side, until it is used up."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], over.astype(int), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        excess = float(np.sum(charge[start:stop] - full_well)) / 2
        for rows in (range(stop, len(charge)), range(start - 1, -1, -1)):
            left = excess
            for i in rows:
                if left <= 0:
                    break
                taken = min(left, full_well - out[i])
                out[i] += taken
                left -= taken
                over[i] |= out[i] >= full_well
