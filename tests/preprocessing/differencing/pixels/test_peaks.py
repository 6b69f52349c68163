"""Local maxima of maps whose peaks are known, and the vertex of a paraboloid."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.peaks import interpolate, local_maxima


def plane(heights: dict[tuple[int, int], float], shape: tuple[int, int] = (20, 24)) -> Tensor:
    out = torch.zeros(shape)
    for (row, column), height in heights.items():
        out[row, column] = height
    return out


def places(peaks: Tensor) -> set[tuple[int, int]]:
    return {(int(row), int(column)) for row, column in peaks}


def test_peaks_reach_the_threshold_and_are_the_highest_within_the_radius() -> None:
    image = plane({(5, 5): 9.0, (5, 8): 6.0, (14, 15): 5.0, (14, 4): 4.999})
    none = torch.zeros_like(image, dtype=torch.bool)
    assert places(local_maxima(image, none, 5.0, radius=2)) == {(5, 5), (5, 8), (14, 15)}
    assert places(local_maxima(image, none, 5.0, radius=3)) == {(5, 5), (14, 15)}
    assert local_maxima(image, none, 10.0).shape == (0, 2)


def test_the_shoulder_of_a_masked_peak_is_no_peak() -> None:
    image = plane({(9, 9): 30.0, (9, 10): 12.0, (3, 18): 7.0})
    mask = image == 30.0
    assert places(local_maxima(image, mask, 5.0)) == {(3, 18)}


def test_the_outermost_pixels_hold_no_peak_and_what_is_not_finite_is_none() -> None:
    image = plane({(0, 7): 9.0, (19, 3): 9.0, (8, 0): 9.0, (8, 23): 9.0, (1, 1): 9.0, (10, 12): 8.0})
    image[10, 13], image[15, 15] = torch.nan, torch.inf
    assert places(local_maxima(image, torch.zeros_like(image, dtype=torch.bool), 5.0)) == {(1, 1), (10, 12)}


@pytest.mark.parametrize(("dx", "dy", "tilt"), [(0.3, -0.2, 0.0), (-0.45, 0.4, 0.6), (0.0, 0.0, -0.8)])
def test_the_vertex_of_a_paraboloid_is_met_exactly(dx: float, dy: float, tilt: float) -> None:
    rows, columns = torch.meshgrid(torch.arange(15.0), torch.arange(17.0), indexing="ij")
    u, v = columns - (8 + dx), rows - (6 + dy)
    image = 50 - 2 * u**2 - 1.5 * v**2 + tilt * u * v
    x, y, height = interpolate(image.double(), torch.tensor([[6, 8]]))
    assert (float(x), float(y), float(height)) == pytest.approx((8 + dx, 6 + dy, 50.0), abs=1e-4)


def test_a_peak_moves_by_half_a_pixel_at_most_and_a_ridge_not_at_all() -> None:
    image = plane({(5, 5): 10.0, (5, 6): 10.0, (5, 7): 10.0, (12, 11): 10.0})
    image[12, 12] = 9.9999
    x, y, height = interpolate(image, torch.tensor([[5, 6], [12, 11]]))
    assert (float(x[0]), float(y[0])) == (6.0, 5.0)
    assert float(x[1]) == pytest.approx(11.5, abs=1e-3) and float(y[1]) == 12.0
    assert bool((height >= 10.0).all())


def test_a_peak_beside_a_pixel_that_is_not_finite_is_the_pixel_itself() -> None:
    image = plane({(5, 5): 10.0, (5, 6): 8.0, (12, 11): 9.0})
    for value in (torch.nan, torch.inf, -torch.inf):
        image[4, 4] = value
        x, y, height = interpolate(image, torch.tensor([[5, 5], [12, 11]]))
        assert (x.tolist(), y.tolist(), height.tolist()) == ([5.0, 11.0], [5.0, 12.0], [10.0, 9.0])


SHAPES = {
    "two": {(5, 5), (5, 6)},
    "a bar": {(9, column) for column in range(3, 20)},
    "a slanted bar, the earlier rows far to the right": {
        (5 + i, c) for i in range(4) for c in range(16 - 5 * i, 22 - 5 * i)
    },
    "two arms that meet below": {(r, c) for r in range(4, 12) for c in (4, 12)} | {(12, c) for c in range(4, 13)},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_flat_top_counts_once_and_two_count_twice(shape: str) -> None:
    top = {place: 8.0 for place in SHAPES[shape] if place[1] > 0}
    none = torch.zeros(20, 24, dtype=torch.bool)
    assert places(local_maxima(plane(top), none, 5.0)) == {min(top)}
    apart = {**top, (17, 18): 8.0, (17, 20): 7.0}
    assert places(local_maxima(plane(apart), none, 5.0)) == {min(top), (17, 18)}
