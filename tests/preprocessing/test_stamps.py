"""The trivial score of a difference stamp against stamps whose median and noise are known."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.stamps import peak_snr
from astrid_ml.types import Floats


def board() -> Floats:
    """(10, 10) of as many +1 as -1: median 0, median absolute deviation 1, robust sigma 1.4826."""
    return np.asarray(np.indices((10, 10)).sum(0) % 2 * 2.0 - 1.0)


def test_a_peak_is_counted_in_robust_sigmas_over_the_median() -> None:
    stamp = board()
    stamp[5, 4] = 101.0
    assert peak_snr(stamp[None])[0] == pytest.approx(101 / 1.4826)
    assert peak_snr(7.0 * stamp[None] + 300.0)[0] == pytest.approx(101 / 1.4826, rel=1e-5)


def test_what_stands_outside_the_central_box_is_no_peak() -> None:
    stamp = board()
    stamp[0, 9] = 1000.0
    assert peak_snr(stamp[None])[0] == pytest.approx(1 / 1.4826)
    assert peak_snr(stamp[None], half=5)[0] == pytest.approx(1000 / 1.4826)


@pytest.mark.parametrize(("row", "column"), [(1, 4), (9, 4), (4, 1), (4, 9)])
def test_the_box_reaches_as_far_on_every_side_of_the_centre(row: int, column: int) -> None:
    stamp = board()
    stamp[row, column] = 101.0
    assert peak_snr(stamp[None])[0] == pytest.approx(101 / 1.4826)


def test_stamps_are_scored_apart_and_those_without_noise_or_data_have_no_score() -> None:
    stamps = np.stack([board() for _ in range(4)])
    stamps[0, 5, 4] = 101.0
    stamps[1] = np.nan
    stamps[2] = 3.0
    stamps[3, 1:, 1:] = np.nan  # the whole box, but not the whole stamp
    found = peak_snr(stamps)
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(101 / 1.4826)
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize("nothing", [np.nan, np.inf, 3.4e38])
def test_every_spelling_of_a_missing_pixel_is_left_out(nothing: float) -> None:
    stamp = board().astype(np.float32)
    stamp[5, 4] = 101.0
    stamp[5, 5:7] = nothing  # one +1 and one -1
    assert peak_snr(stamp[None])[0] == pytest.approx(101 / 1.4826)
