"""What stands around a candidate: steps in neighbouring pixels, further steps of its pixel, snowballs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.ramp.codes import SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.types import Floats32, Mask

STRONG = 4.5  # significance of a step that counts as another one of its pixel
REACH = 20.0  # pixels from a snowball's core within which a step may be its halo's
RANGE = 2.5  # steps between the levels of telegraph noise: 1, and one or two transitions may be missed
_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)


def add_context(table: pd.DataFrame, processed: Processed, integration: int) -> pd.DataFrame:
    """Add the context of candidates.

    Args:
        table: group, y, x, type, snr, amplitude of one integration, sorted by y, x, group.
        processed: what likelihood and rules found.
        integration: which one.

    Returns:
        With ``neighbour`` (largest rise in the eight neighbours within one group, in sigmas; 0 without),
        ``neighbours`` (how many of them rise), ``rises`` and ``falls`` (other strong steps of the pixel),
        ``telegraph`` (called so by the two-state fit), ``fit_quality`` (its R^2, 0 without), ``snowball`` (claimed
        by the rules), ``halo`` (1 at a snowball's core at its time, 0 from ``REACH`` pixels on) and ``edge`` (groups
        to the nearer end of the ramp).
    """
    n_groups = processed.exposure.ramp.shape[1]
    strongest, number = neighbours(table, n_groups)
    rises, falls = others(table)
    group = table.group.to_numpy(np.int64)
    quality = processed.features["two_state_r2"][integration]
    fitted = np.nan_to_num(quality[table.y.to_numpy(int), table.x.to_numpy(int)])
    flickers = processed.telegraph[processed.telegraph.integration == integration]
    width = quality.shape[1]
    telegraph = np.isin(table.y * width + table.x, flickers.y.astype(int) * width + flickers.x.astype(int))
    return table.assign(
        neighbour=strongest,
        neighbours=number,
        rises=rises,
        falls=falls,
        telegraph=(telegraph | (table.type == TELEGRAPH_NOISE)).astype(np.float32),
        fit_quality=fitted.astype(np.float32),
        snowball=(table.type == SNOWBALL).astype(np.float32),
        halo=halo(table, processed, integration),
        edge=np.minimum(group, n_groups - group).astype(np.float32),
    )


def neighbours(table: pd.DataFrame, n_groups: int) -> tuple[Floats32, Floats32]:
    """Largest rise (sigmas), and number of rising pixels, among the eight neighbours within one group."""
    y, x, group = (table[name].to_numpy(np.int64) for name in ("y", "x", "group"))
    width, depth = int(x.max(initial=0)) + 3, n_groups + 2
    key = ((y + 1) * width + x + 1) * depth + group
    order = np.argsort(key, kind="stable")
    ordered, snr = key[order], table.snr.to_numpy(np.float32)[order]
    strongest, number = np.zeros(len(table), np.float32), np.zeros(len(table), np.float32)
    if not len(table):
        return strongest, number
    for dy, dx in _NEIGHBOURS:
        best = np.zeros(len(table), np.float32)
        for shift in (-1, 0, 1):
            wanted = key + (dy * width + dx) * depth + shift
            place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
            best = np.maximum(best, np.where(ordered[place] == wanted, snr[place], 0.0))
        strongest = np.maximum(strongest, best)
        number += best > 0
    return strongest, number


def others(table: pd.DataFrame) -> tuple[Floats32, Floats32]:
    """Further strong rises and falls of each candidate's pixel."""
    pixel = table.y.to_numpy(np.int64) * (int(table.x.max()) + 1 if len(table) else 1) + table.x.to_numpy(np.int64)
    _, place = np.unique(pixel, return_inverse=True)
    out = []
    for strong in (table.snr.to_numpy() >= STRONG, table.snr.to_numpy() <= -STRONG):
        count = np.bincount(place, weights=strong.astype(float), minlength=1)
        out.append((count[place] - strong).astype(np.float32))
    return out[0], out[1]


def two_levels(table: pd.DataFrame) -> Mask:
    """Whether the steps of each candidate's pixel may be telegraph noise: up and down, and never far from two levels.

    A single step may be; so may the steps of pixels that the two-state fit calls so.

    Args:
        table: group, y, x, amplitude, telegraph; ``integration`` where there are several.
    """
    names = [name for name in ("integration", "y", "x") if name in table]
    ordered = table.sort_values([*names, "group"], kind="stable")
    pixel = ordered.groupby(names, sort=False)
    up, size = ordered.amplitude > 0, ordered.amplitude.abs()
    level = pixel.amplitude.cumsum()
    by = [ordered[name] for name in names]
    high = level.groupby(by).transform("max").clip(lower=0)
    low = level.groupby(by).transform("min").clip(upper=0)
    both = up.groupby(by).transform("any") & (~up).groupby(by).transform("any")
    near = high - low <= RANGE * size.groupby(by).transform("median")
    alone = pixel.amplitude.transform("size") == 1
    fitted = (ordered.telegraph > 0).groupby(by).transform("any")
    out: Mask = (alone | fitted | (both & near)).reindex(table.index).to_numpy(bool)
    return out


def halo(table: pd.DataFrame, processed: Processed, integration: int) -> Floats32:
    """How near a candidate is to a snowball of its time: 1 within the core, falling to 0 at ``REACH`` pixels."""
    out = np.zeros(len(table), np.float32)
    y, x, group = (table[name].to_numpy(float) for name in ("y", "x", "group"))
    for ball in processed.snowballs:
        if ball.integration != integration:
            continue
        distance = np.hypot(y - ball.y, x - ball.x) - (ball.core_radius or ball.radius)
        now = (group >= ball.group - 2) & (group <= ball.group + 2 + ball.growth)
        out = np.maximum(out, np.where(now, np.clip(1 - distance / REACH, 0, 1), 0.0).astype(np.float32))
    return out
