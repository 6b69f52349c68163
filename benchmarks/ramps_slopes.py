"""Cleaned slopes of pixels hit by one ray, found or not, of groups that average reads and of single reads.

python benchmarks/ramps_slopes.py

A thousand rays a case. Within a group that averages reads a ray shares its charge between two differences: those are
drawn in the middle of groups alone. Charges are in read noises of one read; ``in sigmas`` is the significance that a
test would have which knows the rate, the group and the share: below about 4.5 nobody can find most of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, solve_tridiagonal
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.types import Floats, Ints

torch.set_num_threads(1)
NOISE, GROUP_TIME, RAYS, SIZE = 12.0, 10.0, 1000, 150


@dataclass(frozen=True)
class Case:
    """One setting.

    Args:
        groups: of a ramp.
        reads: averaged into each.
        sky: e-/s.
        charge: lowest and highest, read noises.
    """

    groups: int
    reads: int
    sky: float
    charge: tuple[float, float]

    @property
    def sampling(self) -> Sampling:
        """Times of all reads; those of a group are next to each other."""
        n = self.reads
        pattern = [[g * n + k + 1 for k in range(n)] for g in range(self.groups)]
        return Sampling.of(ReadTimes.of_pattern(pattern, GROUP_TIME / n))

    def steps(self, read: Ints, charge: Floats) -> Floats:
        """What rays add to the groups, e-, (groups, k)."""
        each = np.arange(self.groups * self.reads)[:, None] >= read
        out: Floats = (each * charge).reshape(self.groups, self.reads, -1).mean(1)
        return out

    def significance(self, added: Floats) -> float:
        """Of rays by a test that is told all, median."""
        rate, noise = (torch.full((added.shape[1],), v, dtype=torch.float64) for v in (self.sky, NOISE))
        shape = torch.diff(torch.from_numpy(added), dim=0)[None]
        solved = solve_tridiagonal(*self.sampling.covariance(rate, noise), shape).solution
        return float((shape * solved).sum((0, 1)).sqrt().median())

    def measure(self, seed: int) -> str:
        """A row of the table."""
        random = np.random.default_rng([seed, self.groups, self.reads, round(10 * self.sky)])
        every = self.groups * self.reads
        light = random.poisson(self.sky * GROUP_TIME / self.reads, (every, SIZE, SIZE)).cumsum(0)
        reads = (light + random.normal(0, NOISE, light.shape)).reshape(self.groups, self.reads, -1).mean(1)
        pixel = random.choice(SIZE * SIZE, RAYS, replace=False)
        group = random.integers(1, self.groups - (self.reads > 1), RAYS)
        read = group * self.reads + (random.integers(1, self.reads, RAYS) if self.reads > 1 else 0)
        added = self.steps(read, random.uniform(*self.charge, RAYS) * NOISE)
        reads[:, pixel] += added
        data = torch.from_numpy(reads.astype(np.float32)).reshape(self.groups, SIZE, SIZE)
        found = StepDetector()(data, torch.full((SIZE, SIZE), NOISE), self.sampling)
        pull = ((found.rate - self.sky) / found.rate_variance.sqrt()).reshape(-1).numpy()
        hit = np.unique((found.y * SIZE + found.x).numpy())
        own, others = pull[pixel], np.delete(pull, pixel)
        robust = 1.4826 * float(np.median(np.abs(own - np.median(own))))
        low, high = self.charge
        return (
            f"{self.groups} x {self.reads}, {self.sky:g}, {low:g}-{high:g} | {self.significance(added):.1f} | "
            f"{np.isin(pixel, hit).mean():.3f} | {own.mean():.2f} | {own.std():.2f} | {robust:.2f} | "
            f"{others.mean():.2f} | {others.std():.2f}"
        )


def main() -> None:
    print(f"groups x reads, sky, charge | in sigmas | found | mean | std | robust | others: mean | std ({RAYS} rays)")
    for groups, reads in ((3, 4), (4, 4), (5, 4), (6, 4), (10, 4), (10, 8), (8, 16), (20, 4), (5, 1), (10, 1), (50, 1)):
        for sky in (0.5, 5.0, 100.0):
            # Of 10 read noises, and of as many as light and reads together make.
            both = math.hypot(1.0, math.sqrt(sky * GROUP_TIME) / NOISE)
            for low in (10.0, round(10.0 * both, 1))[: 1 + (both > 1.1)]:
                print(Case(groups, reads, sky, (low, 1.2 * low)).measure(11), flush=True)


if __name__ == "__main__":
    main()
