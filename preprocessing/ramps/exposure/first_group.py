"""Snowballs that fell before the first read: a core that is saturated from the start, in a halo that does not grow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball, grown, pieces, shaped
from astrid_ml.preprocessing.ramps.ramp.codes import SATURATED
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Floats32, Ints, Mask

RING = 4.0  # pixels around a core whose level is looked at
BEYOND = 12.0  # pixels from where the level of the surroundings is taken, beside the core's radius
WIDTH = 10.0  # and how far
STARS = 2.0  # times the level that the count rate explains: around a star it explains all, and nothing is left


@dataclass(frozen=True)
class _FirstReads:
    """First reads and rates of an integration, e- and e-/s, and the time of the first read, s."""

    first: Floats32
    rate: Floats32
    time: float

    def raised(self, y: float, x: float, radius: float, least: float) -> bool:
        """Whether the ring stands above its surroundings, by more than its count rate explains, and by ``least``."""
        reach = int(radius + BEYOND + radius + WIDTH) + 2
        rows = slice(max(0, int(y) - reach), int(y) + reach + 1)
        columns = slice(max(0, int(x) - reach), int(x) + reach + 1)
        first, rate = self.first[rows, columns], self.rate[rows, columns]
        gy, gx = np.ogrid[rows.start : rows.start + first.shape[0], columns.start : columns.start + first.shape[1]]
        r, known = np.hypot(gy - y, gx - x), np.isfinite(first) & np.isfinite(rate)
        ring = known & (r > radius + 0.5) & (r <= radius + RING)
        around = known & (r > 2 * radius + BEYOND) & (r <= 2 * radius + BEYOND + WIDTH)
        if ring.sum() < 4 or around.sum() < 16:
            return False
        light = rate * np.float32(self.time)
        halo = first - light  # pixel by pixel: around a star both fall off steeply
        rise = float(np.median(halo[ring]) - np.median(halo[around]))
        explained = max(float(np.median(light[ring]) - np.median(light[around])), 0.0)
        noise = 1.25 * float(robust_sigma(halo[around])) / ring.sum() ** 0.5
        return bool(rise > max(STARS * explained, 5 * noise, least))


def saturated_at_first(exposure: Exposure, integration: int) -> Mask:
    """Pixels whose first read is saturated, (n_rows, n_cols), by the limit and by the input's bits."""
    ramp, everything = exposure.ramp, slice(0, exposure.ramp.shape[2])
    full = np.zeros(ramp.shape[2:], bool)
    limit = exposure.saturation_electrons(everything)
    if limit is not None:
        gain = np.asarray(ramp.gain if ramp.unit == "DN" else 1.0, np.float32)
        full |= np.asarray(ramp.data[integration, 0], np.float32) * gain >= limit
    if ramp.dq is not None:
        full |= (np.asarray(ramp.dq[integration, 0]) & SATURATED) != 0
    if ramp.reference is not None:
        full &= ~ramp.reference
    return full


def first_snowballs(
    exposure: Exposure, integration: int, first_saturated: Ints, features: dict[str, Floats32], config: DetectorConfig
) -> list[Snowball]:
    """Snowballs between the reset and the first read; none where the ring around a core shows no halo.

    Around a star that saturates at once the first read is what the count rate makes of the time until then.

    Args:
        exposure: whose first read is looked at.
        integration: 0-based.
        first_saturated: first saturated group of each pixel, (n_rows, n_cols).
        features: maps ``first_read`` (e-) and ``slope`` (e-/s) of the integration, (n_rows, n_cols).
        config: sizes and shapes.
    """
    from scipy.ndimage import find_objects, label

    if not (first_saturated == 0).any():
        return []
    core = saturated_at_first(exposure, integration) & (first_saturated == 0)
    labels, _ = label(core, structure=np.ones((3, 3)))
    sizes, boxes = np.bincount(labels.ravel()), find_objects(labels)
    levels = _FirstReads(features["first_read"], features["slope"], float(exposure.ramp.group_times[0]))
    least, blocked = config.snowball_min_intensity * exposure.gain, (first_saturated == 0) & ~core
    out = []
    for number in np.flatnonzero(sizes >= 0.64 * np.pi * config.snowball_min_radius**2):
        if not number:
            continue
        y, x = np.nonzero(labels[boxes[number - 1]] == number)
        y, x = y + boxes[number - 1][0].start, x + boxes[number - 1][1].start
        for members, inside in pieces(y, x, np.ones(len(y), bool), blocked, config):
            if inside.sum() < 0.64 * np.pi * config.snowball_min_radius**2:
                continue
            ball = shaped(y[members][inside], x[members][inside], blocked, (integration, 0))
            if min(ball.axis_ratio, ball.fill) < config.snowball_circularity_threshold:
                continue
            if (
                levels.raised(ball.y, ball.x, ball.core_radius, least)
                and ball.confidence >= config.snowball_min_confidence
            ):
                own = np.column_stack([y[members], x[members]])
                out.append(grown(replace(ball, pixels=own, core=own), first_saturated, config))
    return out
