"""Snowballs cut by the edge, by other snowballs or by lost pixels, stars that look like them, and what follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball, find_snowballs, fit_disc
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.types import Mask

SIZE, N = 90, 20
Y, X = np.mgrid[:SIZE, :SIZE]


class Scene:
    """First saturated groups and jumps, built ball by ball."""

    def __init__(self) -> None:
        self.first = np.full((SIZE, SIZE), N)
        self.parts: list[pd.DataFrame] = []

    def ball(self, y: float, x: float, radius: float, group: int, halo: float = 4.0) -> Scene:
        r = np.hypot(Y - y, X - x)
        self.first[(r <= radius) & (self.first > group)] = group
        ring = (r > radius) & (r <= radius + halo) & (self.first > group)
        self.parts.append(pd.DataFrame({"group": group, "y": Y[ring], "x": X[ring], "amplitude": 900.0}))
        return self

    def find(self) -> list[Snowball]:
        empty = pd.DataFrame({"group": [0], "y": [0], "x": [0], "amplitude": [0.0]}).iloc[:0]
        jumps = pd.concat(self.parts) if self.parts else empty
        return sorted(find_snowballs(self.first, jumps, 1.0, DetectorConfig()), key=lambda ball: (ball.group, ball.x))


@pytest.mark.parametrize(("y", "x"), [(0.0, 45.0), (3.0, 2.0), (88.0, 60.0), (40.0, 87.0)])
def test_a_core_that_the_edge_cuts_keeps_its_centre_and_radius(y: float, x: float) -> None:
    (ball,) = Scene().ball(y, x, 10.0, 7).find()
    near = 1.2 if max(y, x) < 10 else 0.7  # of the one in the corner a quarter is seen
    assert (ball.y, ball.x) == pytest.approx((y, x), abs=near)
    assert ball.core_radius == pytest.approx(10.0, abs=near)
    assert ball.group == 7


def test_the_reference_border_is_an_edge() -> None:
    scene = Scene().ball(30.0, 5.0, 8.0, 4)
    scene.first[:, :4] = scene.first[:, -4:] = scene.first[:4] = scene.first[-4:] = 0
    scene.parts[0] = scene.parts[0][scene.parts[0].x >= 4]
    (ball,) = scene.find()
    assert (ball.y, ball.x) == pytest.approx((30.0, 5.0), abs=0.6)


def test_halos_that_touch_do_not_join_two_cores() -> None:
    """In one group, and in neighbouring groups."""
    for later in (5, 6):
        first, second = Scene().ball(40.0, 25.0, 9.0, 5, 5.0).ball(44.0, 51.0, 11.0, later, 6.0).find()
        assert (first.group, second.group) == (5, later)
        assert (first.x, second.x) == pytest.approx((25.0, 51.0), abs=0.5)


def test_a_ring_about_pixels_that_were_lost_before() -> None:
    """A second, larger ball on the place of the first leaves a ring of new saturation."""
    first, second = Scene().ball(45.0, 45.0, 8.0, 3, 2.0).ball(45.0, 45.0, 16.0, 15).find()
    assert (first.group, second.group) == (3, 15)
    assert (second.y, second.x) == pytest.approx((45.0, 45.0), abs=0.5)
    assert second.core_radius == pytest.approx(16.0, abs=0.7)


def test_a_star_that_saturates_is_no_snowball() -> None:
    """Round and sudden, but nothing jumps around it."""
    scene = Scene()
    scene.first[np.hypot(Y - 40, X - 40) <= 7] = 6
    scene.parts.append(pd.DataFrame({"group": [6], "y": [20], "x": [20], "amplitude": [500.0]}))
    assert scene.find() == []


def test_half_a_disc_without_a_cut_is_no_snowball() -> None:
    y, x = np.nonzero((np.hypot(Y - 45, X - 45) <= 12) & (Y >= 45))
    assert fit_disc(y, x, np.zeros((SIZE, SIZE), bool)) is None
    cut = fit_disc(y, x, Y < 45)
    assert cut is not None
    assert (cut.y, cut.x, cut.radius) == pytest.approx((45.0, 45.0, 12.0), abs=0.5)
    assert cut.overlap > 0.9


def two_integrations(step: float) -> tuple[Ramp, Mask]:
    """A snowball in the first; the second has a slow decay of its charge, and a ray on the core at group 15."""
    random = np.random.default_rng(4)
    data = random.normal(0, 5.0, (2, N, SIZE, SIZE)).astype(np.float32)
    r = np.hypot(Y - 40, X - 50)
    data[0, 8:, r <= 7] = 60000.0
    data[0, 8:, (r > 7) & (r <= 11)] += 2000.0
    data[1, :, r <= 7] += (400.0 * (1 - np.exp(-np.arange(N) / 1.5))).astype(np.float32)
    data[1, 15:, 40, 50] += 800.0
    times = np.float64(step) * np.arange(1, N + 1, dtype=np.float64)
    return Ramp(data, ReadTimes.single(times), "e-", 1.0, 5.0, saturation_dn=60000.0), r <= 7


def test_the_core_is_masked_in_the_next_integration() -> None:
    ramp, core = two_integrations(400.0)
    settings = Processing()
    assert Exposure(ramp, settings).masked_groups == 10
    found = process(Exposure(ramp, settings))
    assert [(ball.integration, ball.group) for ball in found.snowballs] == [(0, 8)]
    on_core = found.jumps[(found.jumps.integration == 1) & core[found.jumps.y, found.jumps.x]]
    assert list(zip(on_core.group, on_core.y, on_core.x, strict=True)) == [(15, 40, 50)]
    assert found.counts["pixels_after_snowballs"] >= core.sum()
    never = replace(settings, config=DetectorConfig(snowball_time_masked_next_int=0.0))
    by_steps = replace(never, steps=StepDetector(prior="none"))
    later = process(Exposure(ramp, by_steps))
    assert ((later.jumps.integration == 1) & (later.jumps.group < 10)).sum() > 50
    # Released charge looks like signal, unless a decay is fitted too.
    curved = process(Exposure(ramp, never)).features["slope"][1][core]
    masked, plain = (float(np.median(result.features["slope"][1][core])) for result in (found, later))
    assert abs(masked) < 0.4 * plain and abs(float(np.median(curved))) < 0.4 * plain
