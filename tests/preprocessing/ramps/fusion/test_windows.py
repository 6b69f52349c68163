"""Sliding windows: every voxel once, blended without a trace of the windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.fusion.windows import NEVER, Windows, cover, starts
from astrid_ml.preprocessing.ramps.ramp.channels import ramp_channels


def levels(cube: Tensor, _: Tensor) -> Tensor:
    """A network that looks at single voxels: three multiples of the signal."""
    return torch.stack([cube, 2 * cube, -cube], dim=1).nan_to_num(0.0)


def collect(windows: Windows, cube: np.ndarray, score: object = levels) -> tuple[list[int], Tensor]:
    noise = np.full(cube.shape[1:], 2.0, np.float32)
    rows, parts = [], []
    for part, odds in windows.bands(cube, noise, torch.arange(len(cube)).float(), score):  # type: ignore[arg-type]
        rows += list(range(part.start, part.stop))
        parts.append(odds)
    return rows, torch.cat(parts, dim=2)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (16, 16), (37, 50), (40, 23)])
def test_a_network_of_single_voxels_gives_the_same_as_without_windows(height: int, width: int) -> None:
    cube = np.random.default_rng(1).normal(size=(6, height, width)).astype(np.float32)
    cube[0] = 0.0
    rows, odds = collect(Windows(size=16, overlap=5), cube)
    assert rows == list(range(height))
    expected = levels(torch.from_numpy(cube / 2)[None], torch.arange(6.0))[0]
    torch.testing.assert_close(odds, expected, rtol=1e-5, atol=1e-5)


def test_windows_in_time_cover_the_ramp_and_start_at_zero() -> None:
    cube = (3.0 * np.arange(50, dtype=np.float32))[:, None, None] * np.ones((1, 9, 9), np.float32)
    seen: list[tuple[int, float]] = []

    def watch(part: Tensor, times: Tensor) -> Tensor:
        seen.append((part.shape[1], float(part[:, 0].abs().max()) + float(times[0])))
        return torch.full((1, 3, *part.shape[1:]), 2.5)

    _, odds = collect(Windows(size=16, overlap=4, depth=20), cube, watch)
    assert seen == [(20, 0.0)] * 3
    torch.testing.assert_close(odds, torch.full_like(odds, 2.5))


def test_what_is_lost_is_never_claimed_and_the_zero_is_the_first_usable_read() -> None:
    cube = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((1, 4, 4), np.float32)
    cube[0, 1, 1] = np.nan
    cube[:, 2, 2] = np.nan
    _, odds = collect(Windows(size=8, overlap=2), cube)
    assert float(odds[0, 1, 1, 1]) == 0.0
    assert float(odds[0, 0, 1, 1]) == NEVER
    assert bool((odds[:, :, 2, 2] == NEVER).all())


def test_places_of_windows() -> None:
    assert starts(10, 10, 3) == [0]
    assert starts(20, 8, 2) == [0, 6, 12]
    assert starts(21, 8, 2) == [0, 6, 12, 13]
    for length, size, overlap in ((21, 8, 2), (64, 16, 15), (5, 9, 3)):
        parts = cover(length, size, overlap)
        covered = np.zeros(length)
        for start, weight in parts.items():
            assert bool((weight > 0).all())
            covered[start : start + len(weight)] += 1
        assert covered.min() >= 1
    with pytest.raises(UserError, match=r"smaller than windows\.size"):
        Windows(size=8, overlap=8)


def test_channels_know_the_times_of_the_reads() -> None:
    times = torch.tensor([0.0, 1.0, 2.0, 5.0, 6.0, 9.0])
    cube = 4.0 * times[None, :, None, None].repeat(1, 1, 2, 2)
    assert float(ramp_channels(cube, times).abs().max()) < 1e-4
    assert float(ramp_channels(cube).abs().max()) > 0.5


def test_a_jump_hardly_moves_the_line_of_the_other_steps() -> None:
    random = torch.Generator().manual_seed(0)
    cube = torch.randn(1, 40, 30, 30, generator=random)
    cube -= cube[:, :1].clone()
    cube[:, 20:] += 50.0
    raised = torch.sinh(ramp_channels(cube)[:, 0])
    assert float((raised[:, -1] - 50).abs().median()) < 2.5
