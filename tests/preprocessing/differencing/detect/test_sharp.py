"""What no optics can make is flagged, in either image; what a star can be is not."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.detect.sharp import on_single_pixel, sharper
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import shifted

PSF = gaussian_stamp(1.1, 15)


def field(flux: float, fractions: list[float]) -> tuple[Tensor, pd.DataFrame]:
    """Stars at steps of 30 px, off their pixels' centres by ``fractions`` along both axes."""
    image, places = torch.randn(40, 30 * len(fractions) + 10, generator=torch.Generator().manual_seed(4)), []
    for i, off in enumerate(fractions):
        x = 20 + 30 * i
        image[13:28, x - 7 : x + 8] += flux * shifted(PSF, torch.tensor([off]), torch.tensor([off]))[0]
        places.append((x + off, 20 + off))
    return image, pd.DataFrame(places, columns=["x", "y"])


@pytest.mark.parametrize("flux", [100.0, 1e3, 1e5])
def test_stars_anywhere_within_a_pixel_are_no_single_pixels(flux: float) -> None:
    image, table = field(flux, [-0.5, -0.25, 0.0, 0.25, 0.45])
    assert not on_single_pixel(table, image, torch.ones_like(image), PSF).any()


def test_a_hot_pixel_beside_the_candidate_is_one_and_a_faint_one_is_not_told() -> None:
    image, table = field(0.0, [0.0, 0.0, 0.0])
    image[21, 20], image[20, 50], image[20, 82] = 500.0, 2.0, 500.0
    assert on_single_pixel(table, image, torch.ones_like(image), PSF).tolist() == [True, False, False]


def test_a_star_on_a_hot_pixel_counts_by_what_stands_out() -> None:
    image, table = field(1000.0, [0.0, 0.2])
    image[20, 20] += 20_000.0
    image[20, 50] += 100.0
    assert on_single_pixel(table, image, torch.ones_like(image), PSF).tolist() == [True, False]


def test_no_candidates_and_the_border() -> None:
    image = torch.zeros(30, 30)
    image[0, 0] = 100.0
    table = pd.DataFrame({"x": [0.0], "y": [0.0]})
    assert on_single_pixel(table, image, torch.ones_like(image), PSF).tolist() == [False]  # half of its ring is missing
    assert on_single_pixel(table.head(0), image, torch.ones_like(image), PSF).tolist() == []


def test_the_difference_is_judged_with_its_noise() -> None:
    table = pd.DataFrame({"sharpness": [0.3, 0.95, 0.95], "snr": [50.0, 50.0, -3.0]})
    assert sharper(table, PSF).tolist() == [False, True, False]
    assert np.all(
        np.diff([float(shifted(PSF, torch.tensor([o]), torch.tensor([0.0]))[0].max()) for o in (0, 0.3, 0.5)]) < 0
    )
