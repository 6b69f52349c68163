"""What is found at once is what one step after the other finds: crowded ramps, with that start and without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps import decays as decays_module
from astrid_ml.preprocessing.ramps.steps import steps as steps_module
from astrid_ml.preprocessing.ramps.steps.certain import LEAST, SURE, certain
from astrid_ml.preprocessing.ramps.steps.explain import Rules, explain
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.pixels import Ramps, put_back
from astrid_ml.preprocessing.ramps.steps.prior import flat_prior
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.types import Floats32, Mask

NOISE, SIZE, GROUPS = 12.0, 48, 40
RULES = Rules(4.5, None, True)


def sampling(groups: int = GROUPS) -> Sampling:
    return Sampling.of(ReadTimes.single(np.arange(1.0, groups + 1)))


def crowded(rays: float, seed: int, groups: int = GROUPS) -> tuple[Floats32, Mask]:
    """Reads of a sky of 2 e- a group with so many rays a pixel, 3 to 30 read noises each, and where these are."""
    random = np.random.default_rng(seed)
    shape = (groups, SIZE * SIZE)
    reads = np.cumsum(random.poisson(2.0, shape), axis=0) + random.normal(0, NOISE, shape)
    pixel = random.integers(0, SIZE * SIZE, round(SIZE * SIZE * rays))
    steps = np.zeros(shape)
    np.add.at(steps, (random.integers(1, groups, len(pixel)), pixel), NOISE * random.uniform(3, 30, len(pixel)))
    return (reads + steps.cumsum(0)).astype(np.float32), steps > 0


def pixels(reads: Floats32) -> Ramps:
    n = reads.shape[1]
    return Ramps.of(torch.from_numpy(reads), torch.full((n,), NOISE), sampling(len(reads)), torch.arange(n))


@pytest.mark.parametrize("rays", [0.1, 1.0, 5.0])
def test_the_same_steps_and_slopes_as_one_after_the_other(rays: float) -> None:
    """Nothing is known of the rates, so that both searches know the same. Slopes of pixels with the same steps."""
    reads, _ = crowded(rays, 1)
    ramps = pixels(reads).to(torch.float64)
    prior = flat_prior(reads.shape[1])
    slow = explain(ramps, prior, RULES)
    quick = explain(ramps, prior, RULES, certain=certain(ramps, RULES).table)
    places = [set(zip(one.table[:, 0].tolist(), one.table[:, 1].tolist(), strict=True)) for one in (slow, quick)]
    other = {pixel for _, pixel in places[0] ^ places[1]}
    assert len(places[0] ^ places[1]) <= 0.001 * len(places[0])
    same = torch.ones(reads.shape[1], dtype=torch.bool)
    same[[int(pixel) for pixel in other]] = False
    torch.testing.assert_close(quick.rate[same], slow.rate[same], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(quick.variance[same], slow.variance[same], rtol=1e-5, atol=0.0)
    assert len(certain(ramps, RULES).table) > 0.7 * len(slow.table)


@pytest.mark.parametrize("rays", [1.0, 5.0])
def test_neighbours_that_are_cleaned_first_find_no_less(rays: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole detector: as many true steps as without the start or more, and hardly more false ones."""
    reads, true = crowded(rays, 2)
    cube, noise = torch.from_numpy(reads).reshape(GROUPS, SIZE, SIZE), torch.full((SIZE, SIZE), NOISE)
    found = []
    for least in (LEAST, 10**9):
        monkeypatch.setattr(steps_module, "LEAST", least)
        steps = StepDetector()(cube, noise, sampling())
        found.append(true[steps.group, steps.y * SIZE + steps.x])
    with_start, without = found
    assert with_start.sum() >= without.sum()
    assert (~with_start).sum() <= (~without).sum() + 0.002 * len(with_start)


def test_certain_steps_are_large_and_true() -> None:
    reads, true = crowded(2.0, 3)
    table = certain(pixels(reads), RULES).table
    assert float(table[:, 4].square().min()) > 4.5**2 + SURE
    right = true[table[:, 0].long(), table[:, 1].long()]
    assert len(right) > 1000 and right.mean() > 0.995
    high = replace(RULES, threshold=12.0)
    table = explain(pixels(reads), flat_prior(reads.shape[1]), high, certain=certain(pixels(reads), high).table).table
    assert len(table) > 1000 and float(table[:, 4].abs().min()) > 12


def test_nothing_is_certain_where_nothing_is_or_all_is() -> None:
    """Quiet ramps, ramps of zeros, ramps without a group that can be used; and ramps most of whose groups rise."""
    random = np.random.default_rng(4)
    quiet = (random.normal(0, NOISE, (GROUPS, 50)) + 20.0 * np.arange(GROUPS)[:, None]).astype(np.float32)
    for reads in (quiet, np.zeros_like(quiet), np.full_like(quiet, np.nan)):
        assert not len(certain(pixels(reads), RULES).table)
    # The median is no rate there, and yet what is found is what one step after the other finds.
    steps = np.where(random.random(quiet.shape) < 0.6, 30 * NOISE, 0.0).cumsum(0)
    ramps = pixels((quiet + steps).astype(np.float32))
    found, slow = certain(ramps, RULES), explain(ramps, flat_prior(50), RULES)
    assert bool((found.steps <= slow.steps + 2).all())


def test_a_step_put_back_is_the_step_of_the_joint_fit() -> None:
    """Its size and variance are those that the fit with that one difference back in gives."""
    reads, _ = crowded(3.0, 5)
    ramps = pixels(reads[:, :200]).to(torch.float64)
    table = explain(ramps, flat_prior(200), RULES).table
    at, pixel = table[:, 0].long() - 1, table[:, 1].long()
    used = ramps.used.clone()
    used[at, pixel] = False
    rate = torch.full((200,), 2.0, dtype=torch.float64)
    template = torch.exp(-torch.arange(GROUPS - 1.0, dtype=torch.float64) / 9)[:, None].expand(-1, 200)
    for shape in (None, template):
        size, variance = put_back(ramps.part(torch.arange(200), used), rate, at, pixel, shape)
        for row in range(0, len(table), 17):
            again = used[:, pixel[row]][:, None].clone()
            again[at[row]] = True
            one = ramps.part(pixel[row][None], ramps.used)
            whole = Ramps(one.difference, again, one.noise, ramps.sampling)
            fit = whole.solved(rate[:1], None if shape is None else shape[:, :1]).fit()
            assert float(size[row]) == pytest.approx(float(fit.amplitude[at[row], 0]), rel=1e-8)
            assert float(variance[row]) == pytest.approx(float(fit.amplitude_sigma[at[row], 0]) ** 2, rel=1e-8)


@pytest.mark.parametrize("groups", [12, 30])
def test_no_decay_is_passed_over(groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traps of any size and time, some with a ray: a quick look says which may be decays. Against looking at all."""
    random, n = np.random.default_rng(6), 1000
    times = np.arange(1.0, groups + 1) * 10
    time, size = 10 ** random.uniform(-1.5, 0.3, n) * times[-1], 10 ** random.uniform(1.3, 4, n)
    mean = 0.3 * times[:, None] + size * (1 - np.exp(-times[:, None] / time))
    light = np.cumsum(random.poisson(np.diff(np.vstack([np.zeros(n), mean]), axis=0)), 0)
    hit = (np.arange(groups)[:, None] >= random.integers(1, groups, n)) & (random.random(n) < 0.4)
    reads = light + random.normal(0, NOISE, light.shape) + hit * NOISE * random.uniform(5, 40, n)
    cube, noise = torch.from_numpy(reads.astype(np.float32))[:, None], torch.full((1, n), NOISE)
    quick = decays_module._may_win
    found = []
    for look in (quick, lambda *of: (torch.ones_like(of[3], dtype=torch.bool), quick(*of)[1][:0])):
        monkeypatch.setattr(decays_module, "_may_win", look)
        steps = StepDetector(prior="sign")(cube, noise, Sampling.of(ReadTimes.single(times)))
        found.append(steps.decay[0] != 0)
    assert int(found[1].sum()) > 0.3 * n
    assert int((found[0] != found[1]).sum()) <= 2
