"""A bank of optimal step filters: the likelihood test of every step as one matrix product.

For pixels of one photon-to-read-noise ratio r = a dt / s^2 the significance of a step at every difference, and
the slope, are linear in the reads. One matrix for each class of r therefore tests all steps in all windows at
once, at the speed of a matrix product.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.types import Floats

CLASS_RATIO = 1.15  # neighbouring classes differ by 15 % in r: significance is off by at most 7 %, always upwards
_LOWEST = 1e-4
BEND = 4.0  # time constants of a decaying rate within the ramp


@dataclass(frozen=True)
class Filters:
    """The filters of one class, for a read noise of 1.

    Args:
        matrix: (m + 2, m + 1) float32, to multiply m + 1 reads: m signed significances, that of a rate that decays,
            then the slope (per second).
        read_term: the slope's variance is s^2 (read_term + r photon_term), in 1/s^2.
        photon_term: see ``read_term``.
        amplitude_sigma: standard deviation of a step's size, in read noises, at a typical difference.
        known: (m, m + 1) float32; signed significances where the rate is known to be 0.
        known_slope: what a rate of 1 / s takes from each of those, (m, 1) float32.
    """

    matrix: Tensor
    read_term: float
    photon_term: float
    amplitude_sigma: float
    known: Tensor
    known_slope: Tensor


def class_of(ratio: Tensor) -> Tensor:
    """The class of each r: the lower edge is used, so no step's significance is underestimated."""
    steps = torch.log(ratio.clamp(min=_LOWEST) / _LOWEST) / float(np.log(CLASS_RATIO))
    return steps.floor().to(torch.int64).clamp(max=200)


@functools.lru_cache(maxsize=1024)
def filters(key: tuple[tuple[float, ...], ...], number: int) -> Filters:
    """The filters of class ``number`` for the sampling of this ``key``."""
    sampling = Sampling(*(torch.tensor(part, dtype=torch.float64) for part in key))
    spacing = sampling.spacing.numpy()
    step = float(np.mean(spacing))
    r = _LOWEST * CLASS_RATIO**number if number > 0 else 0.0
    read, photon = _matrices(sampling)
    inverse: Floats = np.asarray(np.linalg.inv(read + (r / step) * photon), np.float64)
    weight = inverse @ spacing
    information = float(spacing @ weight)
    free = np.diag(inverse) - weight**2 / information
    significance = (inverse - np.outer(weight, weight) / information) / np.sqrt(np.maximum(free, 1e-300))[:, None]
    slope: Floats = weight / information
    stacked = np.vstack([significance, _bend(sampling, inverse, slope), slope])
    m = len(spacing)
    to_reads = np.zeros((m, m + 1))
    to_reads[np.arange(m), np.arange(m)], to_reads[np.arange(m), np.arange(m) + 1] = -1.0, 1.0
    matrix = torch.from_numpy((stacked @ to_reads).astype(np.float32))
    size = float(np.median(1.0 / np.sqrt(np.maximum(free, 1e-300))))
    own = np.sqrt(np.diag(inverse))[:, None]
    known = torch.from_numpy((inverse / own @ to_reads).astype(np.float32))
    known_slope = torch.from_numpy((weight[:, None] / own).astype(np.float32))
    return Filters(matrix, float(slope @ read @ slope), float(slope @ photon @ slope) / step, size, known, known_slope)


def _bend(sampling: Sampling, inverse: Floats, slope: Floats) -> Floats:
    """Significance of a rate that decays within the ramp beside one that does not, of differences, (m,)."""
    spacing, times = sampling.spacing.numpy(), sampling.times.numpy()
    since = 0.5 * (times[1:] + times[:-1]) - times[0]
    decay = spacing * np.exp(-BEND * since / (times[-1] - times[0]))
    weight = inverse @ (decay - spacing * (slope @ decay))
    out: Floats = weight / np.sqrt(max(float(decay @ weight), 1e-300))
    return out


def _matrices(sampling: Sampling) -> tuple[Floats, Floats]:
    """Covariance of the differences for s = 1 (read) and for a = 1 e-/s (photon), both (m, m)."""
    read, photon, read_off, photon_off = (term.numpy() for term in sampling.terms())

    def full(diagonal: Floats, off: Floats) -> Floats:
        return np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)

    return full(read, read_off), full(photon, photon_off)
