"""The two-point difference detector against the published cases of stcal's own tests and against its rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, SATURATED
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Ints


def flags(ramp: list[float], cds_noise: float, detector: TwoPoint, dq: list[int] | None = None) -> list[int]:
    data = torch.tensor(ramp, dtype=torch.float32)[None, :, None, None]
    bits = torch.zeros_like(data, dtype=torch.int32)
    if dq is not None:
        bits = torch.tensor(dq, dtype=torch.int32)[None, :, None, None]
    noise = torch.full((1, 1), cds_noise / math.sqrt(2))
    return [int(bit) for bit in detector(data, bits, noise)[0].flatten()]


@pytest.mark.parametrize(
    ("ramp", "expected"),
    [
        ([10.0, 20.0, 30.0, 530.0, 540.0], [0, 0, 0, 4, 0]),
        ([10.0, 20.0, 30.0, 530.0, math.nan], [0, 0, 0, 4, 0]),
        ([10.0, 20.0, 530.0, math.nan, math.nan], [0, 0, 4, 0, 0]),
        ([10.0, 520.0, math.nan, math.nan, math.nan], [0, 0, 0, 0, 0]),
    ],
)
def test_short_ramps_with_missing_groups(ramp: list[float], expected: list[int]) -> None:
    same = TwoPoint(threshold=3.0, three_difference_threshold=3.0, two_difference_threshold=3.0)
    assert flags(ramp, 8.0, same) == expected


@pytest.mark.parametrize(
    ("ramp", "dq", "expected"),
    [
        (
            [639854.75, 4872.451, -17861.791, 14022.15, 22320.176, 1116.3828, 1936.9746],
            [0, 0, 0, 0, 0, SATURATED, SATURATED],
            [0, 4, 0, 4, 4, 2, 2],
        ),
        (
            [1228767.0, 46392.234, -3245.6553, 7762.413, 37190.76, 266611.62, 5072.4434],
            [0, 0, 0, 0, 0, 0, SATURATED],
            [0, 4, 4, 0, 4, 4, 2],
        ),
    ],
)
def test_real_nirspec_pixels(ramp: list[float], dq: list[int], expected: list[int]) -> None:
    detector = TwoPoint(threshold=4.0, two_difference_threshold=5.0, three_difference_threshold=6.0)
    assert flags(ramp, 10.7, detector, dq) == expected


@pytest.mark.parametrize(("group", "charge", "found"), [(1, 20.0, True), (3, 100.0, True), (3, 20.0, False)])
def test_uneven_resultants(group: int, charge: float, found: bool) -> None:
    pattern = [[1], [2, 3], [4, 5, 6], [7, 8, 9, 10, 11], [12]]
    times = np.array([np.mean(reads) for reads in pattern])
    ramp = 16.0 * times
    ramp[group:] += charge
    data = torch.tensor(ramp, dtype=torch.float32)[None, :, None, None]
    dq, _ = TwoPoint(threshold=3.0)(
        data,
        torch.zeros_like(data, dtype=torch.int32),
        torch.full((1, 1), 2.0 / math.sqrt(2)),
        torch.from_numpy(np.diff(times)),
        torch.tensor([float(len(reads)) for reads in pattern]),
    )
    assert bool(dq[0, group] & JUMP_DET) is found
    assert int((dq != 0).sum()) == int(found)


def test_seven_integrations_share_the_median() -> None:
    quiet = np.array([[-50.0, -48.0, -52.0, -49.0]] * 7, dtype=np.float32)
    quiet[5] = [-45, 8537, 17380, 17437]
    data = torch.from_numpy(quiet)[:, :, None, None]
    dq, _ = TwoPoint()(data, torch.zeros_like(data, dtype=torch.int32), torch.full((1, 1), 5.0))
    assert dq[5].flatten().tolist() == [0, 4, 4, 4]
    assert not dq[[0, 1, 2, 3, 4, 6]].any()


def test_false_positive_rate_is_that_of_a_gaussian() -> None:
    """With 11 groups the median costs little: a 4-sigma Gaussian gives 6.3e-5 a difference, stcal's docs more."""
    generator = torch.Generator().manual_seed(1)
    data = 12.0 * torch.randn(1, 11, 300, 300, generator=generator)
    dq, _ = TwoPoint(flag_neighbours=False)(
        data, torch.zeros_like(data, dtype=torch.int32), torch.full((300, 300), 12.0)
    )
    rate = float((dq != 0).float().mean())
    assert 4e-5 < rate < 4e-4


def test_negative_steps_are_flagged_and_saturated_groups_never() -> None:
    assert flags([0.0, 1, 2, -500, -499, -498, -497], 10.0, TwoPoint())[3] == JUMP_DET
    out = flags([0.0, 1, 2, 900, 901, 902, 903], 10.0, TwoPoint(), [0, 0, 0, DO_NOT_USE, 0, 0, 0])
    assert out == [0, 0, 0, DO_NOT_USE, 0, 0, 0]


def neighbours(step: float) -> Ints:
    data = torch.zeros(1, 12, 5, 5)
    data[:, 6:, 2, 2] += step
    dq, _ = TwoPoint()(data, torch.zeros_like(data, dtype=torch.int32), torch.full((5, 5), 10.0 / math.sqrt(2)))
    return dq[0, 6].numpy().astype(np.int64)


def test_four_neighbours_between_the_two_ratios() -> None:
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]) * JUMP_DET
    np.testing.assert_array_equal(neighbours(500.0)[1:4, 1:4], cross)
    assert neighbours(90.0).sum() == JUMP_DET  # ratio 9: flagged alone
    assert neighbours(20000.0).sum() == JUMP_DET  # ratio 2000: likely a snowball, left to that detector


def test_two_groups_are_refused() -> None:
    data = torch.zeros(1, 2, 3, 3)
    with pytest.raises(UserError, match="at least 3 groups"):
        TwoPoint()(data, data.int(), torch.ones(3, 3))
