"""Groups that are means of reads hide that their last reads are saturated."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.ramps.exposure.exposure import full_groups
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes


@pytest.mark.parametrize("reads", [2, 4, 8])
@pytest.mark.parametrize("rate", [3.0, 10.0, 40.0])
@pytest.mark.parametrize("gap", [0, 3])
def test_no_mean_over_a_saturated_read_is_used(reads: int, rate: float, gap: int) -> None:
    """Clipped ramps of many rates and zeros: a group is full where a read of it is, or at most one group before."""
    n_groups, limit = 12, 1000.0
    place = np.arange(n_groups)[:, None] * (reads + gap) + np.arange(reads)  # of each read, (groups, reads)
    zero = np.linspace(0.0, 900.0, 60)
    each = np.minimum(place[:, :, None] * rate + zero, limit)
    means = each.mean(1)[:, :, None].astype(np.float32)
    sampling = ReadTimes(tuple(tuple(map(float, group)) for group in place))
    found = np.maximum.accumulate(full_groups(means, limit, sampling), axis=0)[:, :, 0]
    true = each.max(axis=1) >= limit
    assert not (true[1:] & ~found[1:]).any()
    early = found & ~true
    assert early.sum(0).max() <= 1


def test_single_reads_are_compared_with_the_limit_alone() -> None:
    reads = np.array([900.0, 990.0, 1000.0, 1000.0], np.float32)[:, None, None]
    sampling = ReadTimes.single([1.0, 2.0, 3.0, 4.0])
    assert full_groups(reads, 1000.0, sampling)[:, 0, 0].tolist() == [False, False, True, True]
