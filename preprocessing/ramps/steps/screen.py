"""A first look at all pixels by the filter bank: who may have a step, and the rates of those who have none."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.filters import class_of, filters
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling


@dataclass(frozen=True)
class Screened:
    """What the filter bank says of n pixels, each (n,); NaN in pixels with unusable groups, but for ``peak``
    and ``size``.

    Args:
        rate: count rate of the whole ramp, e-/s.
        variance: its variance.
        peak: significance of the largest step, up or down; infinite where groups are unusable.
        rise: significance of the largest step upwards.
        size: standard deviation of a step's size, e-; in unusable pixels that of a whole ramp without photons.
        bend: significance of a rate that decays, as persistence does.
    """

    rate: Tensor
    variance: Tensor
    peak: Tensor
    rise: Tensor
    size: Tensor
    bend: Tensor

    def part(self, where: slice) -> Screened:
        """Views of some pixels."""
        return Screened(*(getattr(self, item.name)[where] for item in fields(self)))


def screen(reads: Tensor, noise: Tensor, sampling: Sampling, chunk: int) -> Screened:
    """The filter bank over all pixels, ``chunk`` of them at a time.

    Args:
        reads: (n_groups, n), e-; NaN unusable.
        noise: of one read, e-, (n,).
        sampling: times and reads.
        chunk: pixels whose reads fit in the cache.
    """
    out = Screened(*(torch.full_like(noise, torch.nan) for _ in range(6)))
    for start in range(0, reads.shape[1], chunk):
        part = slice(start, start + chunk)
        _screen_chunk(reads[:, part], noise[part], sampling, out.part(part))
    return out


def _screen_chunk(reads: Tensor, noise: Tensor, sampling: Sampling, out: Screened) -> None:
    base = reads[0].clone()
    total = reads[-1] - base
    ratio = total / (len(reads) - 1) / noise.square()
    finite = reads.sum(0).isfinite()
    number = torch.where(finite, class_of(ratio.nan_to_num(0.0)), -1)
    out.peak[~finite] = torch.inf  # always fitted exactly
    key = sampling.key
    out.size[:] = noise * filters(key, 0).amplitude_sigma
    classes = torch.unique(number).tolist()
    for value in classes:
        if value < 0:
            continue
        where = (number == value).nonzero()[:, 0]
        bank = filters(key, int(value))
        filtered = bank.matrix.to(reads) @ reads.index_select(1, where).sub_(base[where])
        lowest, highest = filtered[:-2].amin(0), filtered[:-2].amax(0)  # several times as fast as both at once
        out.rise[where] = highest / noise[where]
        out.peak[where] = torch.maximum(-lowest, highest) / noise[where]
        out.size[where] = noise[where] * bank.amplitude_sigma
        out.bend[where], out.rate[where] = filtered[-2] / noise[where], filtered[-1]
        photon = ratio[where].clamp(min=0) * bank.photon_term
        out.variance[where] = noise[where].square() * (bank.read_term + photon)


def known_peak(reads: Tensor, noise: Tensor, sampling: Sampling, rate: Tensor, chunk: int) -> Tensor:
    """The largest significance of a rise were this the rate, (n,); unusable pixels have none."""
    base, step, key = reads[0].clone(), float(sampling.spacing.mean()), sampling.key
    out = torch.zeros_like(noise)
    number = class_of(rate.clamp(min=0) * step / noise.square())
    for value in torch.unique(number).tolist():
        bank = filters(key, int(value))
        for where in torch.split((number == value).nonzero()[:, 0], chunk):
            filtered = bank.known.to(reads) @ reads.index_select(1, where).sub_(base[where])
            filtered -= bank.known_slope.to(reads) * rate[where]
            out[where] = filtered.amax(0) / noise[where]
    return out.nan_to_num(0.0)
