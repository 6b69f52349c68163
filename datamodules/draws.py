"""Random numbers of a training sample: they follow from the seed, the epoch and the sample, and from nothing else.

So an augmented sample is the same whatever batch it stands in, whichever worker makes it, and whether the training ran
through or was stopped and carried on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from astrid_ml.types import Array, Ints

_STEP = np.uint64(0x9E3779B97F4A7C15)


def mixed(*parts: int | Array) -> Array:
    """Whole numbers (scalars and arrays, broadcast) as well mixed 64-bit ones: the finaliser of splitmix64.

    Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195.

    >>> int(mixed(1, 0)) == int(mixed(1, 0)), int(mixed(1, 0)) == int(mixed(0, 1))
    (True, False)
    """
    out = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            out = (out ^ np.asarray(part).astype(np.uint64)) + _STEP
            out = (out ^ (out >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            out = (out ^ (out >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            out = out ^ (out >> np.uint64(31))
    return np.asarray(out)


class SampleGenerator(torch.Generator):
    """A generator of a batch that also knows the seed of each of its samples.

    As a plain ``torch.Generator`` it gives numbers that follow from the batch. :func:`uniform` and :func:`each` give
    every sample its own.

    It is made from the samples' seeds and one of the batch.

    Args:
        seeds: one a sample, (n,) uint64, from :func:`mixed`.
        taken: how many numbers each sample has given.

    Example:
        >>> one = SampleGenerator(mixed(7, np.array([3, 4])), 0)
        >>> other = SampleGenerator(mixed(7, np.array([9, 4])), 1)
        >>> bool(uniform(2, 3, one)[1].equal(uniform(2, 3, other)[1]))
        True
    """

    seeds: Array
    taken: int

    def __new__(cls, seeds: Array, seed: int) -> SampleGenerator:
        made = super().__new__(cls)
        made.manual_seed(seed % 2**63)
        made.seeds, made.taken = seeds, 0
        return made


def uniform(n: int, k: int, generator: torch.Generator | None) -> Tensor:
    """Numbers in [0, 1), (n, k) float64: row i belongs to sample i where the generator knows its samples."""
    if not isinstance(generator, SampleGenerator) or len(generator.seeds) != n:
        return torch.rand((n, k), generator=generator, dtype=torch.float64)
    places = np.arange(generator.taken + 1, generator.taken + 1 + k)
    generator.taken += k
    bits = mixed(generator.seeds[:, None], places[None, :])
    return torch.from_numpy((bits >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def each(n: int, generator: torch.Generator) -> list[int]:
    """A seed a sample, below 2**63, for generators of any kind."""
    if isinstance(generator, SampleGenerator) and len(generator.seeds) == n:
        generator.taken += 1
        return [int(seed) >> 1 for seed in mixed(generator.seeds, generator.taken)]
    return [int(seed) for seed in torch.randint(2**62, (n,), generator=generator)]


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  code of users may draw from it
    torch.manual_seed(seed % 2**63)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block that finds the global generators seeded and leaves them as they were."""
    with isolate_rng(include_cuda=False):
        seed_all(seed)
        yield


def sample_seeds(seed: int, epoch: int, places: Ints) -> Array:
    """Seeds of samples, (n,) uint64.

    Args:
        seed: of the training.
        epoch: from 0.
        places: of the samples among all of the training fold, (n,).
    """
    return mixed(seed, epoch, places)
