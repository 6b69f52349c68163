"""A whole exposure, strip by strip: correction, detection, and maps that are small enough to keep."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.files import WholeFile
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, first_lost
from astrid_ml.preprocessing.ramps.exposure.first_group import first_snowballs
from astrid_ml.preprocessing.ramps.exposure.processed import STEPS, Processed
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball, claimed, find_snowballs
from astrid_ml.preprocessing.ramps.exposure.strip import StripDetector
from astrid_ml.preprocessing.ramps.steps.prior import Integrations, KnownRate
from astrid_ml.preprocessing.ramps.steps.screen import screen
from astrid_ml.types import Floats32


def process(exposure: Exposure, cube: Path | None = None) -> Processed:
    """Detect in every integration.

    The cores of snowballs are left out of the next integration for ``snowball_time_masked_next_int`` seconds.

    Args:
        exposure: what, and how.
        cube: where to write the processed cube (float32, e-, first read subtracted), or None.
    """
    file = None if cube is None else WholeFile(cube)
    target = None if file is None else np.lib.format.open_memmap(file.part, "w+", np.float32, exposure.ramp.shape)
    parts: list[Processed] = []
    others = Integrations(exposure.ramp.shape[0], functools.partial(_rates, exposure))
    for integration in range(exposure.ramp.shape[0]):
        before = parts[-1].snowballs if parts else []
        known = _known(exposure, integration, others)
        parts.append(_integration(exposure, integration, target, before, known))
    if file is not None:
        del target
        file.publish()
    features = {name: np.stack([part.features[name] for part in parts]) for name in parts[0].features}
    counts = {name: sum(part.counts[name] for part in parts) for name in parts[0].counts}
    return Processed(
        exposure,
        pd.concat([part.jumps for part in parts], ignore_index=True),
        pd.concat([part.telegraph for part in parts], ignore_index=True),
        [ball for part in parts for ball in part.snowballs],
        features,
        counts,
        pd.concat([part.fitted for part in parts], ignore_index=True),
    )


def _known(exposure: Exposure, integration: int, others: Integrations) -> list[KnownRate]:
    """The count rates of an integration that its own ramps do not tell, whole images."""
    known = []
    if exposure.settings.steps.prior == "integrations":
        beside = others.beside(integration)
        known += [] if beside is None else [beside]
    if exposure.ramp.rate is not None:
        image = torch.from_numpy(exposure.ramp.rate)
        known.append(KnownRate("reference", image, torch.zeros_like(image)))
    return known


def _rates(exposure: Exposure, integration: int) -> tuple[Tensor, Tensor]:
    """Count rate (e-/s) of an integration by its whole ramps, and its variance, both (n_rows, n_cols)."""
    out = torch.empty(2, *exposure.ramp.shape[2:])
    for strip in exposure.strips(integration):
        reads, noise = torch.from_numpy(strip.reads).flatten(1), torch.tensor(strip.noise)
        found = screen(reads, noise.flatten(), exposure.sampling, exposure.settings.steps.chunk)
        out[0, strip.rows], out[1, strip.rows] = found.rate.view_as(noise), found.variance.view_as(noise)
    return out[0], out[1]


def _integration(
    exposure: Exposure, integration: int, target: Any, before: list[Snowball], known: list[KnownRate]
) -> Processed:
    ramp, settings = exposure.ramp, exposure.settings
    detector = StripDetector(settings.steps, settings.twopoint, settings.config)
    n_groups, n_rows, n_cols = ramp.shape[1:]
    first_saturated = np.full((n_rows, n_cols), n_groups, np.int64)
    persisting = exposure.persisting(before, integration)
    jumps, falls = list[pd.DataFrame](), list[pd.DataFrame]()
    border = {"reference_values_unusable": 0, "reference_pixels_left_out": 0}
    telegraph: list[pd.DataFrame] = []
    maps: list[dict[str, Floats32]] = []
    for strip in exposure.strips(integration, settings.steps.margin):
        rows, reads, inner = strip.rows, strip.reads, strip.inner
        border = {"reference_values_unusable": strip.lost, "reference_pixels_left_out": strip.left_out}
        own = slice(rows.start + inner.start, rows.start + inner.stop)
        if target is not None:
            target[integration, :, own] = reads[:, inner]
        if ramp.reference is not None:
            reads[:, ramp.reference[rows]] = np.nan
        reads[: exposure.masked_groups, persisting[rows]] = np.nan
        first_saturated[own] = first_lost(reads[:, inner])
        noise = torch.tensor(strip.noise)
        here = [KnownRate(one.kind, one.rate[rows], one.variance[rows]) for one in known]
        result = detector(torch.from_numpy(reads), noise, exposure.sampling, exposure.gain, here).within(inner)
        jumps.append(result.jumps.assign(y=result.jumps.y + own.start))
        falls.append(result.falls.assign(y=result.falls.y + own.start))
        telegraph.append(result.telegraph.assign(y=result.telegraph.y + own.start))
        maps.append({**result.features, "first_read": strip.zero[inner]})
    table = pd.concat(jumps, ignore_index=True)
    features = {name: np.concatenate([part[name] for part in maps]) for name in maps[0]}
    balls = first_snowballs(exposure, integration, first_saturated, features, settings.config)
    balls += find_snowballs(first_saturated, table, exposure.gain, settings.config, integration)
    table = claimed(table, balls, (n_rows, n_cols))
    unusable = int(np.isnan(features["slope"]).sum())
    counts = {"pixels": n_rows * n_cols, "pixels_unusable": unusable, "pixels_after_snowballs": int(persisting.sum())}
    if ramp.reference is not None:
        counts |= border
    flickers = pd.concat(telegraph, ignore_index=True)
    table = table.assign(integration=integration)[list(STEPS)]
    lone = pd.concat(falls, ignore_index=True).assign(integration=integration)[list(STEPS)]
    return Processed(
        exposure,
        table,
        flickers.assign(integration=integration),
        balls,
        features,
        counts,
        pd.concat([table, lone], ignore_index=True),
    )
