"""Snowballs of every kind among stars, rays and tracks: found where they are, and none besides."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.ramps.exposure.cores import discs
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.first_group import saturated_at_first
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.exposure.snowballs import find_snowballs
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.types import Floats, Mask

N, FULL, NOISE = 9, 60000.0, 12.0


@dataclass(frozen=True)
class Ball:
    """A core, by default round, with a halo that falls off by e in ``decay`` pixels, and a trail."""

    y: float
    x: float
    radius: float
    group: int
    ratio: float = 1.0
    decay: float = 3.0
    angle: float = 0.4
    trail: float = 0.0

    def charge(self, size: int) -> Floats:
        """e-, (size, size)."""
        y, x = np.mgrid[:size, :size]
        dy, dx = y - self.y, x - self.x
        along, across = (
            dx * np.cos(self.angle) + dy * np.sin(self.angle),
            dy * np.cos(self.angle) - dx * np.sin(self.angle),
        )
        # The radius is that of a circle of the same area.
        r = np.hypot(along * self.ratio**0.5, across / self.ratio**0.5)
        out = np.where(r <= self.radius, 1.5 * FULL, 12000 * np.exp(-(r - self.radius) / self.decay))
        tail = (np.abs(across) <= 1.2) & (along > 0) & (along < self.radius + self.trail)
        return np.where(tail & (self.trail > 0), 1.5 * FULL, out)


@dataclass
class Sky:
    """An exposure of a seed: light, stars of which some saturate, rays, tracks, and the given snowballs."""

    balls: list[Ball]
    size: int = 120
    seed: int = 0
    stars: list[tuple[float, float, float]] = field(default_factory=list)

    def processed(self) -> Processed:
        random, size = np.random.default_rng(self.seed), self.size
        y, x = np.mgrid[:size, :size]
        rate = np.full((size, size), 2.0)
        for sy, sx, flux in self.stars:
            rate += flux * np.exp(-0.5 * ((y - sy) ** 2 + (x - sx) ** 2) / 2.5**2)
        reads = random.poisson(np.minimum(rate * 10, 1e7), (N, size, size)).cumsum(0) + random.normal(
            0, NOISE, (N, size, size)
        )
        hit = random.random((N, size, size)) < 0.0005
        reads += (hit * random.uniform(60, 2000, hit.shape)).cumsum(0)
        reads[4:, 20, 15:45] += 1500.0  # a track
        for ball in self.balls:
            reads[ball.group :] += ball.charge(size)
        data = np.minimum(reads, FULL + 500.0).astype(np.float32)[None]
        times = ReadTimes.single(10.0 * np.arange(1.0, N + 1))
        return process(Exposure(Ramp(data, times, "e-", 1.0, NOISE, saturation_dn=FULL), Processing()))


def found(sky: Sky) -> list[tuple[int, float, float, float]]:
    """Group, row, column and radius of each snowball."""
    return sorted((b.group, b.y, b.x, b.core_radius) for b in sky.processed().snowballs)


STARS = [(30.0, 95.0, 3e4), (100.0, 30.0, 1e3), (60.0, 60.0, 400.0), (96.0, 96.0, 100.0), (15.0, 105.0, 2e5)]
KINDS = {
    "small": [Ball(50, 40, 2.0, 4)],
    "in the first group": [Ball(70, 60, 7.0, 0)],
    "small in the first group": [Ball(48, 30, 3.0, 0)],
    "in the last group": [Ball(70, 60, 5.0, N - 1)],
    "with a trail": [Ball(70, 60, 8.0, 3, trail=14.0)],
    "in the first group, with a trail": [Ball(70, 60, 8.0, 0, trail=14.0)],
    "of an axis ratio of .5": [Ball(70, 60, 8.0, 3, ratio=0.5)],
    "of an axis ratio of .7, in the first group": [Ball(70, 60, 8.0, 0, ratio=0.7)],
    "a pair that touches": [Ball(70, 50, 7.0, 3), Ball(70, 62, 7.0, 3)],
    "a pair of unlike size": [Ball(70, 50, 10.0, 3), Ball(70, 64.5, 5.0, 3)],
    "a pair in neighbouring groups": [Ball(70, 50, 7.0, 3), Ball(70, 63, 7.0, 4)],
    "a pair in the first group": [Ball(70, 50, 7.0, 0), Ball(70, 63, 7.0, 0)],
    "at the edge": [Ball(70, 1, 8.0, 3)],
    "at the edge in the first group": [Ball(70, 1, 8.0, 0)],
    "in a corner": [Ball(118, 117, 9.0, 5)],
    "none": [],
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_are_found_and_none_besides(kind: str) -> None:
    """Among stars that saturate at once, later, or never."""
    expected = sorted((b.group, b.y, b.x, b.radius) for b in KINDS[kind])
    got = found(Sky(KINDS[kind], stars=STARS))
    assert len(got) == len(expected), got
    for (group, y, x, radius), ball in zip(expected, got, strict=True):
        assert ball[0] == group
        near = 1.8 if "corner" in kind or "edge" in kind else 1.2
        assert (ball[1], ball[2]) == pytest.approx((y, x), abs=near)
        assert ball[3] == pytest.approx(radius, abs=max(near, 0.12 * radius))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_random_snowballs(seed: int) -> None:
    random = np.random.default_rng(seed)
    (y, x), radius = random.uniform(0, 119, 2).tolist(), float(np.exp(random.uniform(np.log(2), np.log(16))))
    ratio, decay, angle = random.uniform((0.5, 2, 0), (1, 5, np.pi)).tolist()
    trail = 10.0 if radius > 4 and random.random() < 0.5 else 0.0  # of a smaller core a trail is as wide as itself
    ball = Ball(y, x, radius, int(random.integers(0, N)), ratio, decay, angle, trail)
    stars = [(*random.uniform(0, 119, 2).tolist(), float(10 ** random.uniform(2, 5.5))) for _ in range(5)]
    clear = [star for star in stars if np.hypot(star[0] - y, star[1] - x) > radius + 25]
    ((group, found_y, found_x, _),) = found(Sky([ball], seed=seed, stars=clear))
    assert group == ball.group
    assert np.hypot(found_y - y, found_x - x) < 2 + 0.35 * radius


@pytest.mark.parametrize("radius", [2.0, 20.0, 80.0, 200.0])
def test_radii_up_to_two_hundred(radius: float) -> None:
    """On the maps alone: a core with a halo, and a second half its size that touches it."""
    size = int(3.4 * radius) + 40
    y, x = np.mgrid[:size, :size]
    centre = radius * 1.2 + 12
    first, halo = np.full((size, size), N), np.zeros((size, size), bool)
    balls = [(centre, centre, radius)] + ([(centre, centre + 1.45 * radius, 0.5 * radius)] if radius > 5 else [])
    for cy, cx, r in balls:
        first[np.hypot(y - cy, x - cx) <= r] = 4
        halo |= np.hypot(y - cy, x - cx) <= r + 5
    halo &= first == N
    jumps = pd.DataFrame({"group": 4, "y": y[halo], "x": x[halo], "amplitude": 900.0})
    got = sorted(find_snowballs(first, jumps, 1.0, DetectorConfig()), key=lambda ball: -ball.core_radius)
    assert len(got) == len(balls)
    for ball, (cy, cx, r) in zip(got, balls, strict=True):
        assert (ball.y, ball.x, ball.core_radius) == pytest.approx((cy, cx, r), abs=max(0.5, 0.06 * radius))


def disc(size: int, *circles: tuple[float, float, float]) -> Mask:
    y, x = np.mgrid[:size, :size]
    out: Mask = np.any([np.hypot(y - cy, x - cx) <= r for cy, cx, r in circles], axis=0)
    return out


def test_discs_are_parted_and_trails_cut() -> None:
    nothing = np.zeros((60, 60), bool)
    assert discs(disc(60, (30, 30, 9)), nothing, 2).max() == 1
    two = discs(disc(60, (30, 20, 9), (30, 36, 9)), nothing, 2)
    assert two.max() == 2 and two[30, 20] != two[30, 36]
    near = discs(disc(60, (30, 26, 9), (30, 32, 9)), nothing, 2)
    assert near.max() == 1  # too near to be told
    tailed = disc(60, (30, 20, 8))
    tailed[29:32, 20:55] = True
    cut = discs(tailed, nothing, 2)
    assert cut.max() == 1 and not cut[30, 32:].any() and cut[30, 20] == 1
    assert (cut > 0).sum() == pytest.approx(np.pi * 64, rel=0.06)
    ring = disc(60, (30, 30, 14)) & ~disc(60, (30, 30, 7))
    assert discs(ring, disc(60, (30, 30, 7)), 2).max() == 1


def test_pixels_that_are_bad_or_reference_are_no_core() -> None:
    data = np.zeros((1, 4, 20, 20), np.float32)
    data[0, 0, 3:9, 3:9] = 70000.0
    dq = np.zeros(data.shape, np.uint8)
    dq[0, 0, 12:14, 12:14], dq[0, 0, 15, 15] = 2, 1
    reference = np.zeros((20, 20), bool)
    reference[:4] = True
    ramp = Ramp(data, ReadTimes.single(np.arange(1.0, 5)), "DN", 2.0, 5.0, dq, reference=reference, saturation_dn=6e4)
    expected = np.zeros((20, 20), bool)
    expected[4:9, 3:9] = expected[12:14, 12:14] = True
    np.testing.assert_array_equal(saturated_at_first(Exposure(ramp, Processing()), 0), expected)
