"""Showers: a patch of pixels that all rise a little in one group, most of them below what tells a step of one pixel.

Secondary particles and light in the substrate make them. Neither their pixels nor their outlines are sharp, so what is
tested is the mean of a box of differences, each cut to one sigma: a track or a star that is no image is in a few of its
pixels, a shower in all. A patch that released charge before rises less and less, and is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from astrid_ml.preprocessing.ramps.exposure.processed import Processed, Shower
from astrid_ml.preprocessing.ramps.steps.likelihood import fit_steps
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Array, Floats, Floats32, Mask

SIDE = 11  # pixels of the box
CERTAIN = 8.0  # sigmas of its mean from which it is no chance, on detectors whose noise hangs together
FAINT = 4.0  # sigmas down to which its outline goes
SMALLEST = 40  # pixels
EARLIER = 3.0  # sigmas of the group before from which a patch is one that decays, or an image
FEWEST = 1000  # pixels of an image, below which nothing is told


def with_showers(processed: Processed, cube: Array) -> Processed:
    """With its showers, and with the slopes of their pixels without the group that each came in.

    Args:
        processed: the exposure.
        cube: its processed reads in e-, (n_ints, n_groups, n_rows, n_cols).
    """
    found = [shower for integration in range(len(cube)) for shower in _of(processed, cube, integration)]
    if not found:
        return processed
    out = replace(processed, showers=found, features={k: v.copy() for k, v in processed.features.items()})
    for integration in {shower.integration for shower in found}:
        _refit(out, cube, integration)
    return out


def _of(processed: Processed, cube: Array, integration: int) -> Iterator[Shower]:
    """Showers of one integration."""
    balls = _near_snowballs(processed, integration)
    before: Floats | None = None
    for group, excess in _excesses(processed, cube, integration):
        known = np.isfinite(excess)
        if known.sum() < FEWEST:
            before = None
            continue
        sigmas = _together(excess, known)
        # What came before the first read, or rose before, nobody can tell from a patch that decays.
        if before is not None and (sigmas > CERTAIN).any():
            yield from _outlined(sigmas, before, excess, integration, group, balls.get(group))
        before = sigmas


def _excesses(processed: Processed, cube: Array, integration: int) -> Iterator[tuple[int, Floats32]]:
    """Each group and by how much it rises beyond the slope, in sigmas, (n_rows, n_cols); NaN where nobody knows."""
    exposure, maps = processed.exposure, processed.features
    rate, noise = maps["slope"][integration], exposure.ramp.noise(slice(None), slice(None))
    read, photon, _, _ = (part.numpy().astype(np.float32) for part in exposure.sampling.terms())
    spacing = exposure.sampling.spacing.numpy().astype(np.float32)
    for group in range(1, cube.shape[1]):
        rise = np.asarray(cube[integration, group]) - np.asarray(cube[integration, group - 1])
        variance = read[group - 1] * noise**2 + photon[group - 1] * np.maximum(rate, 0)
        excess: Floats32 = (rise - spacing[group - 1] * rate) / np.sqrt(variance)
        if exposure.ramp.reference is not None:
            excess[exposure.ramp.reference] = np.nan
        yield group, excess


def _together(excess: Floats32, known: Mask) -> Floats:
    """Sigmas by which boxes of differences lie above those of the whole image, (n_rows, n_cols)."""
    from scipy import ndimage  # takes long to load

    middle = np.median(excess[known])
    limited = np.where(known, np.clip(excess - middle, -1, 1), 0).astype(np.float64)
    count = ndimage.uniform_filter(known.astype(np.float64), SIDE, mode="constant") * SIDE**2
    total = ndimage.uniform_filter(limited, SIDE, mode="constant") * SIDE**2
    sigmas = np.where(count >= SMALLEST, total / np.sqrt(np.maximum(count, 1)), 0.0)
    # Rows and amplifiers that drift, and charge that crosses over, make boxes scatter by more than their pixels do.
    scatter = max(float(limited[known].std()), robust_sigma(sigmas[known]))
    out: Floats = sigmas / scatter
    return out


def _outlined(
    sigmas: Floats, before: Floats, excess: Floats32, integration: int, group: int, balls: Mask | None
) -> Iterator[Shower]:
    """The patches of one group."""
    from scipy import ndimage  # takes long to load

    labels, _ = ndimage.label(sigmas > FAINT)
    for number in np.unique(labels[sigmas > CERTAIN]):
        patch: Mask = labels == number
        core = patch & (sigmas > CERTAIN)
        if (
            patch.sum() < SMALLEST
            or (before[core] > EARLIER).mean() > 0.2
            or (balls is not None and balls[patch].any())
        ):
            continue
        pixels = np.argwhere(patch)
        y, x = pixels[np.argsort(-sigmas[patch])[: max(1, int(core.sum()))]].mean(0)
        yield Shower(integration, group, float(y), float(x), float(sigmas[patch].max()), pixels)


def _near_snowballs(processed: Processed, integration: int) -> dict[int, Mask]:
    """Group by group the pixels at snowballs, whose halos are theirs."""
    out: dict[int, Mask] = {}
    shape = processed.exposure.ramp.shape[2:]
    for ball in processed.snowballs:
        if ball.integration == integration:
            for group in range(ball.group - 1, ball.group + ball.growth + 3):
                own = out.setdefault(group, np.zeros(shape, bool))
                own[ball.pixels[:, 0], ball.pixels[:, 1]] = True
    return out


def _refit(processed: Processed, cube: Array, integration: int) -> None:
    """Slopes and variances of the pixels of showers around these and all steps, in place."""
    exposure, maps = processed.exposure, processed.features
    mine = [shower for shower in processed.showers if shower.integration == integration]
    y, x = np.unique(np.concatenate([shower.pixels for shower in mine]), axis=0).T
    reads = np.asarray(cube[integration][:, y, x], np.float64)
    used = np.isfinite(np.diff(reads, axis=0))
    number = np.full(exposure.ramp.shape[2:], -1)
    number[y, x] = np.arange(len(y))
    steps = processed.fitted[processed.fitted.integration == integration]
    at = number[steps.y.to_numpy(int), steps.x.to_numpy(int)]
    used[steps.group.to_numpy(int)[at >= 0] - 1, at[at >= 0]] = False
    for shower in mine:
        used[shower.group - 1, number[shower.pixels[:, 0], shower.pixels[:, 1]]] = False
    difference = torch.from_numpy(np.nan_to_num(np.diff(reads, axis=0)))
    noise = torch.from_numpy(exposure.ramp.noise(slice(None), slice(None))[y, x].astype(np.float64))
    rate = torch.from_numpy(np.nan_to_num(maps["slope"][integration, y, x]).astype(np.float64))
    for _ in range(2):  # the shower is part of the first rate, and so of its photons
        fit = fit_steps(difference, torch.from_numpy(used), exposure.sampling, noise, rate)
        rate = fit.rate.nan_to_num(0.0)
    maps["slope"][integration, y, x] = fit.rate.numpy()
    maps["slope_variance"][integration, y, x] = fit.rate_variance.numpy()
