"""Two-point difference jump detection, with the rules of the JWST pipeline (Anderson & Gordon 2011; stcal 1.20).

Kept for comparison and for small numbers of groups; its flags equal stcal's. For anything better see ``steps``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, UNUSABLE
from astrid_ml.types import Count, NonNegative, Positive

_CHUNK = 16384  # pixels worked on at once: the differences stay in the cache


@dataclass(frozen=True)
class _Sampling:
    """Spacing and read-noise factor of each difference, both (n_ints * n_differences,); None where all are alike."""

    spacing: Tensor | None = None
    read_terms: Tensor | None = None

    @staticmethod
    def of(spacing: Tensor | None, reads: Tensor | None, n_ints: int, like: Tensor) -> _Sampling:
        if spacing is None and reads is None:
            return _Sampling()
        n = like.shape[1] - 1
        step = torch.ones(n) if spacing is None else spacing
        number = torch.full((n + 1,), 1.0) if reads is None else reads
        # stcal's rule for a difference of groups with n1 and n2 reads: 4 / (n1 + n2) read variances.
        terms = 4.0 / (number[1:] + number[:-1])
        return _Sampling(step.to(like).repeat(n_ints), terms.to(like).repeat(n_ints))


@dataclass(frozen=True)
class TwoPoint:
    """Parameters of two-point difference detection.

    Args:
        threshold: sigmas for pixels with 4 or more usable differences.
        three_difference_threshold: sigmas with 3 usable differences (4 groups).
        two_difference_threshold: sigmas with 2 usable differences (3 groups).
        min_differences_single_pass: from this many differences on, all are judged at once against one median.
        flag_neighbours: also flag the four neighbours of jumps between the two ratios below.
        min_neighbour_ratio: sigmas above which neighbours are flagged.
        max_neighbour_ratio: sigmas below which neighbours are flagged.
    """

    threshold: Positive = 4.0
    three_difference_threshold: Positive = 5.0
    two_difference_threshold: Positive = 6.0
    min_differences_single_pass: Count = 10
    flag_neighbours: bool = True
    min_neighbour_ratio: NonNegative = 10.0
    max_neighbour_ratio: NonNegative = 1000.0

    def __call__(
        self,
        data: Tensor,
        dq: Tensor,
        read_noise: Tensor,
        spacing: Tensor | None = None,
        reads: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Flag jumps.

        Args:
            data: (n_ints, n_groups, n_rows, n_cols) in e-; NaN is unusable.
            dq: the same shape, integer bits; groups with DO_NOT_USE or SATURATED are never used or flagged.
            read_noise: noise of ONE read in e-, (n_rows, n_cols).
            spacing: time between the groups' mean read times, any unit, (n_groups - 1,); None if all are equal.
            reads: reads averaged into each group, (n_groups,); None for one each.

        Returns:
            dq with JUMP_DET set on the group after each jump, and the ratio |difference - median| / sigma,
            (n_ints, n_groups - 1, n_rows, n_cols), NaN where unusable.

        Raises:
            UserError: fewer than 3 groups.
        """
        n_ints, n_groups, n_rows, n_cols = data.shape
        if n_groups < 3:
            raise UserError("at least 3 groups", f"{n_groups}", "jumps cannot be found in so short a ramp")
        flat = data.reshape(n_ints, n_groups, -1)
        bits = dq.reshape(flat.shape).clone()
        sampling = _Sampling.of(spacing, reads, n_ints, flat)
        # A group that is DO_NOT_USE in every pixel does not count when the rule is chosen.
        lost = int(((bits & DO_NOT_USE) != 0).all(dim=2).sum(dim=1).max())
        if n_groups - lost < 3:
            return bits.reshape(data.shape), torch.full_like(data[:, 1:], torch.nan)
        single_pass = n_groups - lost - 1 >= self.min_differences_single_pass
        noise = read_noise.expand(n_rows, n_cols).reshape(-1).to(flat)
        ratios = torch.empty(n_ints, n_groups - 1, flat.shape[2], dtype=torch.float32, device=data.device)
        for start in range(0, flat.shape[2], _CHUNK):
            part = slice(start, start + _CHUNK)
            ratios[..., part] = self._chunk(flat[..., part], bits[..., part], noise[part], sampling, single_pass)
        out, ratios = bits.reshape(data.shape), ratios.reshape(n_ints, -1, n_rows, n_cols)
        if self.flag_neighbours:
            out = self._neighbours(out, ratios)
        return out, ratios

    def _chunk(self, data: Tensor, bits: Tensor, noise: Tensor, sampling: _Sampling, single_pass: bool) -> Tensor:
        """Flag a chunk of pixels in ``bits``, in place; return the ratios, both (n_ints, ., n)."""
        unusable = (bits & UNUSABLE) != 0
        if bool(unusable.any()):
            data = data.masked_fill(unusable, torch.nan)
        difference = torch.diff(data, dim=1)
        # Both integrations of a pixel share one median; (n, n_ints * n_differences) makes it a sort of rows.
        columns = difference.flatten(0, 1).T.contiguous()
        if sampling.spacing is not None:
            columns /= sampling.spacing
        median = _row_median(columns)
        ratio = _ratio(columns, median, noise, sampling)
        jumps = ratio > self.threshold if single_pass else self._iterate(columns.abs(), noise, sampling, data.shape[0])
        flags = jumps.T.reshape(difference.shape)
        bits[:, 1:] |= flags.to(bits.dtype) * JUMP_DET
        return ratio.T.reshape(difference.shape)

    def _iterate(self, magnitude: Tensor, noise: Tensor, sampling: _Sampling, n_ints: int) -> Tensor:
        """Flag the largest jump of each pixel, take it out, and look again in the pixels that had one.

        Args:
            magnitude: |differences|, (n, n_ints * n_differences), changed in place.
            noise: noise of one read in e-, (n,).
            sampling: time steps and reads of the differences.
            n_ints: integrations; a pixel's largest ratio is compared with the threshold in each integration.
        """
        jumps = torch.zeros_like(magnitude, dtype=torch.bool)
        active = torch.arange(len(magnitude), device=magnitude.device)
        while len(active):
            rows = magnitude[active]
            usable = rows.isfinite().sum(1)
            base = _clipped_median(rows, usable)
            ratio = torch.nan_to_num(_ratio(rows, base, noise[active], sampling), nan=-1.0)
            largest = ratio.amax(1, keepdim=True)
            limit = torch.full_like(base, torch.inf)
            limit[usable >= 4] = self.threshold
            limit[usable == 3] = self.three_difference_threshold
            limit[usable == 2] = self.two_difference_threshold
            exceeds = (ratio.reshape(len(rows), n_ints, -1).amax(2) > limit[:, None]).repeat_interleave(
                rows.shape[1] // n_ints, dim=1
            )
            new = (ratio == largest) & exceeds
            found = new.any(1)
            jumps[active] |= new
            magnitude[active] = rows.masked_fill(new, torch.nan)
            active = active[found]
        return jumps

    def _neighbours(self, dq: Tensor, ratio: Tensor) -> Tensor:
        """Flag the four neighbours of moderate jumps, except where SATURATED or DO_NOT_USE stands."""
        source = ((dq[:, 1:] & JUMP_DET) != 0) & (ratio > self.min_neighbour_ratio) & (ratio < self.max_neighbour_ratio)
        if not bool(source.any()):
            return dq
        grown = source.clone()
        grown[..., 1:, :] |= source[..., :-1, :]
        grown[..., :-1, :] |= source[..., 1:, :]
        grown[..., 1:] |= source[..., :-1]
        grown[..., :-1] |= source[..., 1:]
        allowed = grown & ((dq[:, 1:] & UNUSABLE) == 0)
        dq[:, 1:] |= allowed.to(dq.dtype) * JUMP_DET
        return dq


def _ratio(columns: Tensor, median: Tensor, noise: Tensor, sampling: _Sampling) -> Tensor:
    """|d - median| / sigma, (n, m); a sigma of 0 gives NaN: such pixels are never flagged."""
    if sampling.spacing is None or sampling.read_terms is None:
        sigma = (median.abs() + noise.square() * 2).sqrt()[:, None]
    else:
        read = noise.square()[:, None] * sampling.read_terms
        sigma = (median.abs()[:, None] * sampling.spacing + read).sqrt() / sampling.spacing
    sigma = torch.where(sigma == 0, torch.nan, sigma)
    return (columns - median[:, None]).abs_() / sigma


def _sorted(rows: Tensor) -> Tensor:
    """Rows sorted upwards, NaN last. On a CPU numpy's vectorised sort is about ten times faster than torch's."""
    if rows.device.type == "cpu":
        return torch.from_numpy(np.sort(rows.numpy(), axis=1))
    return rows.sort(dim=1).values


def _row_median(rows: Tensor) -> Tensor:
    """Median of the finite values of each row, (n,); the mean of the two middle ones where their number is even."""
    ordered = _sorted(rows)
    if not bool(ordered[:, -1].isnan().any()):
        count = rows.shape[1]
        return 0.5 * (ordered[:, (count - 1) // 2] + ordered[:, count // 2])
    present: Tensor = ordered.isfinite().sum(1)
    return _middle(ordered, present)


def _middle(ordered: Tensor, count: Tensor) -> Tensor:
    """Median of the first ``count`` values of sorted rows; NaN where there are none."""
    low = ((count - 1).clamp(min=0) // 2)[:, None]
    high = (count // 2).clamp(max=ordered.shape[1] - 1)[:, None]
    middle = 0.5 * (ordered.gather(1, low) + ordered.gather(1, high))[:, 0]
    return torch.where(count > 0, middle, torch.nan)


def _clipped_median(magnitude: Tensor, usable: Tensor) -> Tensor:
    """The base level of the iteration: without the largest if 4 or more, plain if 3, the smaller of 2, else NaN.

    A largest value that occurs twice is dropped twice, as stcal does.
    """
    ordered = _sorted(magnitude)
    last = (usable - 1).clamp(min=0)[:, None]
    ties: Tensor = (ordered == ordered.gather(1, last)).sum(1)
    kept: Tensor = torch.where(usable >= 4, usable - ties, usable)
    median = _middle(ordered, kept)
    median = torch.where(usable == 2, ordered[:, 0], median)
    return torch.where(usable < 2, torch.nan, median)
