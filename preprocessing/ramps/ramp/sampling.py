"""When a ramp was read: the times of all reads of each group, which every reader gives and the noise model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Floats, Ints


@dataclass(frozen=True)
class ReadTimes:
    """Times of all reads since the reset. A group is the mean of its reads.

    Args:
        groups: of each group the times of its reads, s; they rise over all groups.

    Raises:
        UserError: a group without reads, or times that are no numbers or do not rise.

    Example:
        >>> pattern = ReadTimes.of_pattern([[1], [2, 3], [4, 5, 6, 7]], 3.04)
        >>> pattern.mean.round(2).tolist(), pattern.reads.tolist(), pattern.gaps.round(2).tolist()
        ([3.04, 7.6, 16.72], [1, 2, 4], [3.04, 3.04])
    """

    groups: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.groups or not all(self.groups):
            empty = f"group {[bool(group) for group in self.groups].index(False)} has none" if self.groups else "none"
            raise UserError("at least one read in each group", empty, "give the times of its reads")
        every = np.concatenate([np.asarray(group, np.float64) for group in self.groups])
        if not np.isfinite(every).all() or (np.diff(every) <= 0).any():
            raise UserError(
                "times of reads in seconds that rise",
                np.array2string(every, threshold=8),
                "if the last read comes first, reverse the reads; else give group_times",
            )

    @staticmethod
    def single(times: Sequence[float] | Floats) -> ReadTimes:
        """One read a group, at these times (n_groups,), s."""
        return ReadTimes(tuple((float(time),) for time in times))

    @staticmethod
    def of_pattern(pattern: Sequence[Sequence[int]], frame_time: float) -> ReadTimes:
        """The numbers of the frames (from 1) that each group is the mean of, as Roman lists them.

        Args:
            pattern: numbers of frames.
            frame_time: between two frames, s; frame 1 ends so long after the reset.
        """
        return ReadTimes(tuple(tuple(float(frame) * frame_time for frame in group) for group in pattern))

    @staticmethod
    def about(means: Sequence[float] | Floats, reads: int, frame_time: float) -> ReadTimes:
        """Evenly spaced reads about the mean time of each group.

        Args:
            means: (n_groups,), s.
            reads: of each group.
            frame_time: between the reads of a group, s; of no effect with one.
        """
        offsets = (np.arange(reads) - (reads - 1) / 2) * (frame_time if reads > 1 else 0.0)
        return ReadTimes(tuple(tuple((float(mean) + offsets).tolist()) for mean in means))

    @cached_property
    def reads(self) -> Ints:
        """Reads of each group, (n_groups,)."""
        return np.array([len(group) for group in self.groups], np.int64)

    @cached_property
    def mean(self) -> Floats:
        """Mean time of each group's reads, s, (n_groups,)."""
        return np.array([np.mean(group) for group in self.groups], np.float64)

    @cached_property
    def weighted(self) -> Floats:
        """Variance-weighted time sum_j (2 (N - j) + 1) t_j / N^2 of each group, s, (n_groups,).

        The photon noise of a group's mean is the rate times it (Casertano 2022; Brandt 2024).
        """
        return np.array([_weighted(group) for group in self.groups], np.float64)

    @cached_property
    def gaps(self) -> Floats:
        """From the last read of each group to the first of the next, s, (n_groups - 1,)."""
        pairs = zip(self.groups[:-1], self.groups[1:], strict=True)
        return np.array([after[0] - before[-1] for before, after in pairs], np.float64)


def _weighted(times: Sequence[float]) -> float:
    n = len(times)
    return float(np.dot(2 * (n - np.arange(1, n + 1)) + 1, times)) / n**2
