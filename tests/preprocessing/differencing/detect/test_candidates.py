"""Peaks, cutouts and truth matching against positions that are known."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.detect.options import DIPOLE, EDGE, NEAR_MASK, PEAK_COLUMNS, Peaks
from astrid_ml.preprocessing.differencing.frame.truth import match
from astrid_ml.preprocessing.differencing.pixels.cutouts import Cutout, cut


def bump(x: float, y: float, height: float, shape: tuple[int, int] = (120, 140)) -> torch.Tensor:
    t, u = torch.arange(shape[0])[:, None] - y, torch.arange(shape[1])[None, :] - x
    return height * torch.exp(-(t**2 + u**2) / 8)


def test_peaks_of_both_signs_are_found_between_pixels() -> None:
    table = Peaks()(bump(50.3, 60.4, 20) + bump(90.0, 30.0, -9), torch.zeros(120, 140, dtype=torch.bool))
    assert tuple(table.columns) == PEAK_COLUMNS and table["sign"].tolist() == [1, -1]
    assert np.allclose(table[["x", "y"]].to_numpy(), [[50.3, 60.4], [90.0, 30.0]], atol=0.02)
    assert np.allclose(table["snr"].to_numpy(), [20, -9], rtol=0.01) and table["flags"].tolist() == [0, 0]


def test_masked_peaks_are_left_out_and_neighbours_are_flagged() -> None:
    mask = torch.zeros(120, 140, dtype=torch.bool)
    mask[60, 50] = mask[28, 90] = True
    image = bump(50, 60, 20) + bump(90, 30, 9) + bump(3, 100, 8) + bump(60, 100, 30) - bump(65, 100, 25)
    table = Peaks(radius=4)(image, mask)
    flags = {(round(x), round(y)): int(f) for x, y, f in table[["x", "y", "flags"]].to_numpy()}
    assert flags[(90, 30)] == NEAR_MASK and flags[(3, 100)] == EDGE and (50, 60) not in flags
    assert [f for (_, y), f in flags.items() if y == 100 and f != EDGE] == [DIPOLE, DIPOLE]


def test_no_peak_gives_an_empty_table_with_all_columns_and_too_many_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    none = torch.zeros(64, 64, dtype=torch.bool)
    assert tuple(Peaks()(torch.zeros(64, 64), none).columns) == PEAK_COLUMNS
    noise = 10 * torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    with caplog.at_level(logging.WARNING):
        table = Peaks(max_candidates=7)(noise, none)
    assert len(table) == 7 and table["snr"].abs().is_monotonic_decreasing and "7 most significant" in caplog.text


def test_cutouts_are_centred_at_the_edge_and_lack_only_what_is_not_there() -> None:
    image = torch.arange(30.0 * 40).view(1, 30, 40)
    stamps, outside = cut(image, torch.tensor([20.4, 0.0, 39.0]), torch.tensor([10.0, 29.0, 0.6]), 7)
    assert stamps[:, 0, 3, 3].tolist() == [10 * 40 + 20, 29 * 40, 1 * 40 + 39]
    assert torch.equal(torch.isnan(stamps[:, 0]), outside) and outside.sum((1, 2)).tolist() == [0, 33, 29]
    assert torch.equal(stamps[0, 0], image[0, 7:14, 17:24])


def test_negative_candidates_have_their_difference_turned() -> None:
    one, two, three, four = (torch.full((9, 9), float(i)) for i in (1, 2, 3, 4))
    planes = (one, two, three, four)
    where = torch.tensor([4.0, 4.0])
    stamps, _ = Cutout(5, significance=True)(planes, where, where, torch.tensor([1, -1]))
    assert stamps[:, :, 2, 2].tolist() == [[1, 2, 3, 4], [1, 2, -3, -4]]
    with pytest.raises(UserError, match="odd"):
        Cutout(6)(planes, where, where, torch.tensor([1, -1]))


def test_matching_is_one_to_one_nearest_first() -> None:
    index, distance = match(np.array([0.0, 1.0, 9.0]), np.zeros(3), np.array([0.9, 0.4, 30.0]), np.zeros(3), 2.0)
    assert index.tolist() == [1, 0, -1] and distance[0] == pytest.approx(0.4) and np.isnan(distance[2])
    assert match(np.array([]), np.array([]), np.zeros(1), np.zeros(1), 1.0)[0].shape == (0,)
