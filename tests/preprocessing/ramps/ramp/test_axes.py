"""Which axis is time: said by the header, told by the shape, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.axes import in_time_order, refuse_wrong_axes


@pytest.mark.parametrize("shape", [(12, 24, 24), (450, 64, 64), (6, 20, 24), (3, 2048, 512), (1, 8, 8)])
def test_time_first_is_what_these_shapes_say(shape: tuple[int, int, int]) -> None:
    refuse_wrong_axes(shape, "a.npy")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((24, 24, 12), "axes=yxt"),
        ((64, 60, 6), "axes=yxt"),
        ((24, 12, 24), "axes=ytx"),
        ((64, 5, 60), "axes=ytx"),
        ((64, 64, 450), "axes=yxt"),
        ((30, 20, 24), "does not tell"),
        ((24, 24, 24), "does not tell"),
        ((450, 64, 32), "does not tell"),
    ],
)
def test_other_shapes_are_refused_with_what_to_say(shape: tuple[int, int, int], said: str) -> None:
    with pytest.raises(UserError, match=f"a.npy of shape.*{said}"):
        refuse_wrong_axes(shape, "a.npy")


def test_the_number_of_groups_in_a_header_decides() -> None:
    refuse_wrong_axes((30, 20, 24), "a.fits", 30)
    with pytest.raises(UserError, match=r"with 24 groups.*axes=yxt"):
        refuse_wrong_axes((30, 20, 24), "a.fits", 24)


def test_axes_are_a_permutation() -> None:
    with pytest.raises(UserError, match="a permutation of t, y, x"):
        in_time_order(np.zeros((3, 4, 5)), "txx")


def test_of_four_axes_the_last_three_are_looked_at() -> None:
    for shape in ((2, 12, 24, 24), (2, 50, 32, 2048), (2, 50, 64, 32), (1, 24, 24, 24)):
        refuse_wrong_axes(shape, "a.fits")
    with pytest.raises(UserError, match=r"\(n_ints, n_rows, n_cols, n_groups\) with 12 groups.*axes=yxt"):
        refuse_wrong_axes((2, 24, 24, 12), "a.fits")
    cube = np.arange(2 * 3 * 4 * 5).reshape(2, 4, 5, 3)
    assert np.array_equal(in_time_order(cube, "yxt"), np.moveaxis(cube, 3, 1))
