"""Patches of pixels that release charge: what they are told from, what becomes of their steps, and their bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.products.write import Summary, rates_of
from astrid_ml.preprocessing.ramps.ramp.codes import JUMP_DET, PERSISTENCE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.decays import decaying
from astrid_ml.types import Floats, Mask

NOISE, SIZE = 12.0, 64


def patch(most: float) -> Floats:
    """Charge in traps: two spots of six pixels across, e-."""
    y, x = np.mgrid[:SIZE, :SIZE]
    spots = [np.exp(-0.5 * ((y - a) ** 2 + (x - b) ** 2) / 9) for a, b in ((20, 20), (44, 40))]
    charge: Floats = most * np.maximum(*spots)
    return charge


def exposed(n_groups: int, trapped: Floats, seed: int, rays: float = 0.0, **more: Any) -> tuple[Ramp, Mask]:
    """Sky of 1 e-/s in groups of 5 s, traps that empty within six of them, rays. Where they fell."""
    random = np.random.default_rng(seed)
    edges = np.exp(-np.arange(n_groups + 1) / 6.0)
    light = random.poisson(5.0 + trapped * (edges[:-1] - edges[1:])[:, None, None]).cumsum(0)
    hit = random.random(light.shape) < rays
    hit[0] = False
    charge = (hit * random.uniform(8, 60, hit.shape) * NOISE).cumsum(0)
    data = light + charge + NOISE * random.normal(size=light.shape)
    times = ReadTimes.single(5.0 * np.arange(1.0, n_groups + 1))
    return Ramp(data[None].astype(np.float32), times, "e-", 1.0, NOISE, name="x", **more), hit


@pytest.mark.parametrize("n_groups", [8, 20])
@pytest.mark.parametrize("most", [500.0, 2500.0])
def test_released_charge_is_flagged_where_it_moves_slopes_and_makes_no_steps(
    most: float, n_groups: int, tmp_path: Path
) -> None:
    trapped = patch(most)
    ramp, _ = exposed(n_groups, trapped, 5)
    found = process(Exposure(ramp), tmp_path / "cube.npy")
    assert len(found.fitted) <= 5
    none: Mask = np.zeros((1, SIZE, SIZE), bool)
    rates = rates_of(found, Summary(none, none), np.zeros((SIZE, SIZE), np.uint32))
    flagged = (rates.dq[0] & PERSISTENCE) != 0
    wrong = np.abs(rates.rate[0] - 1.0) > 5 * rates.error[0]
    assert not wrong.any() or flagged[wrong].mean() > 0.9
    assert flagged[trapped > 0.4 * most].mean() > 0.9 and flagged[trapped < 1e-3 * most].mean() < 0.005


def test_rays_on_top_of_it_are_found_and_alone_make_no_decay(tmp_path: Path) -> None:
    for trapped in (patch(1500.0), patch(0.0)):
        ramp, hit = exposed(20, trapped, 6, rays=0.004)
        found = process(Exposure(ramp), tmp_path / "cube.npy")
        listed: Mask = np.zeros(hit.shape, bool)
        listed[found.fitted.group.to_numpy(int), found.fitted.y.to_numpy(int), found.fitted.x.to_numpy(int)] = True
        assert listed[hit].mean() > 0.93 and (listed & ~hit).sum() <= 12
        none: Mask = np.zeros((1, SIZE, SIZE), bool)
        rates = rates_of(found, Summary(np.any(listed, axis=0, keepdims=True), none), np.zeros((SIZE, SIZE), np.uint32))
        assert ((rates.dq[0] & JUMP_DET) != 0).sum() == listed.any(0).sum()
        elsewhere: Mask = trapped < 1.0
        assert np.mean((rates.dq[0, elsewhere] & PERSISTENCE) != 0) < 0.01


def test_a_patch_is_seen_where_no_pixel_shows_it() -> None:
    """Two sigmas each; single rays of any size, what all have in common, and missing pixels are none."""
    random = np.random.default_rng(7)
    bend = random.normal(size=(40, 50))
    bend[10:20, 10:20] += 2.0
    bend[30, 40] = 500.0
    bend[:, 45:] = np.nan
    for offset in (0.0, 30.0):
        found = decaying(torch.from_numpy(bend + offset).float()).numpy()
        assert found[11:19, 11:19].mean() > 0.9
        found[6:24, 6:24] = False
        assert found.sum() <= 2 and not found[:, 45:].any()
    assert not decaying(torch.full((4, 4), torch.nan)).any() and not decaying(torch.ones(2, 3)).any()
    storm = torch.from_numpy(random.normal(size=(40, 50)) * 50).float()
    assert float(decaying(storm).float().mean()) < 0.002
