"""Stars where there are hardly any: the sharpest sources of both images at once."""

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.stars.few import sharpest_of_both
from astrid_ml.preprocessing.differencing.stars.match import MatchStars
from astrid_ml.preprocessing.differencing.stars.select import SelectStars, find_sources
from astrid_ml.types import Floats

_WIDTHS = np.array([1.64, 1.29])  # px, of stars in both images


def drawn(rng: np.random.Generator, stars: int, galaxies: int) -> tuple[Floats, Floats]:
    """Widths and errors (n, 2): stars first; galaxies are wider by their own sizes, measured differently in each."""
    own = rng.uniform(1.0, 3.0, (galaxies, 1)) * rng.uniform(0.8, 1.2, (galaxies, 2))
    true = np.concatenate([np.tile(_WIDTHS, (stars, 1)), np.hypot(_WIDTHS, own)])
    errors = rng.uniform(0.01, 0.08, true.shape)
    return true * np.exp(errors * rng.normal(size=true.shape)), errors


def test_one_star_wins_over_two_galaxies_of_one_width() -> None:
    # a real choice: the median of the three sharpest was that of the galaxies, 25 % too wide
    widths = np.array([[3.36, 3.11], [2.59, 2.20], [1.62, 1.30], [2.12, 2.05], [2.12, 1.83], [2.05, 1.61]])
    chosen, crowd = sharpest_of_both(widths, np.full(widths.shape, 0.015))
    assert chosen.tolist() == [False, False, True, False, False, False] and not crowd


def test_a_faint_star_measured_too_small_does_not_leave_out_the_bright_one() -> None:
    widths = np.array([[1.645, 1.284], [1.45, 1.358], [2.27, 2.02], [3.10, 2.92]])
    errors = np.array([[0.014, 0.007], [0.052, 0.025], [0.012, 0.008], [0.013, 0.008]])
    assert sharpest_of_both(widths, errors)[0].tolist() == [True, True, False, False]


def test_galaxies_alone_are_no_crowd_and_nothing_is_nothing() -> None:
    rng = np.random.default_rng(5)
    called = [sharpest_of_both(*drawn(rng, 0, 7))[1] for _ in range(100)]
    assert np.mean(called) < 0.05
    chosen, crowd = sharpest_of_both(np.zeros((0, 2)), np.zeros((0, 2)))
    assert len(chosen) == 0 and not crowd


@pytest.mark.parametrize(("stars", "galaxies"), [(1, 7), (2, 7), (3, 7), (5, 3), (2, 20)])
def test_stars_are_told_from_galaxies(stars: int, galaxies: int) -> None:
    rng = np.random.default_rng([6, stars, galaxies])
    right, off = 0, []
    for _ in range(100):
        widths, errors = drawn(rng, stars, galaxies)
        chosen, _ = sharpest_of_both(widths, errors)
        assert chosen.any()
        right += int(not chosen[stars:].any())
        off.append(np.log(widths[chosen] / _WIDTHS).mean())
    assert right > 90 and abs(float(np.mean(off))) < 0.02


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("points", [(None, None), (25.0, None), (25.0, 24.0)])
def test_one_or_two_stars_tell_the_flux_ratio_where_no_zero_points_do(
    number: int, points: tuple[float | None, float | None]
) -> None:
    psf, rng = gaussian_stamp(1.4, 25), torch.Generator().manual_seed(8)
    x, y = torch.tensor([30.3, 70.8])[:number].double(), torch.tensor([40.1, 66.2])[:number].double()
    images = [
        Image(
            data=render_sources((100, 100), psf, x, y, torch.full((number,), flux))
            + torch.randn(100, 100, generator=rng),
            variance=torch.ones(100, 100),
            mask=torch.zeros(100, 100, dtype=torch.bool),
            zero_point=point,
        )
        for flux, point in zip((4000.0, 800.0), points, strict=True)
    ]
    found = MatchStars()(images[0], images[1], (psf, psf), torch.stack([x, y], 1))
    if None in points:
        assert found.flux_ratio == pytest.approx(5.0, abs=4 * found.flux_ratio_err) and found.flux_ratio_err < 0.1
        assert f"{number} matched stars: the flux ratio is theirs" in found.warnings[0]
    else:
        assert found.flux_ratio == pytest.approx(10**0.4) and np.isnan(found.flux_ratio_err)


@pytest.mark.parametrize("below", [1.29, 2.3, 4.9])
def test_a_cosmic_ray_on_a_star_or_galaxy_of_the_other_image_is_no_star(below: float) -> None:
    rng, hit = np.random.default_rng(11), 0
    for _ in range(50):
        widths, errors = drawn(rng, 2, 8)
        ray = np.array([[rng.uniform(0.5, 0.9), below]])
        chosen, _ = sharpest_of_both(np.concatenate([widths, ray]), np.concatenate([errors, [[0.01, 0.01]]]))
        hit += int(chosen[-1])
    assert hit == 0


def test_a_crowd_of_stars_that_are_not_alone_is_no_field_of_few() -> None:
    # twelve double stars of one width, none of them isolated, and a compact pair of artefacts: the doubles are not left
    psf, rng = gaussian_stamp(1.6, 25), torch.Generator().manual_seed(12)
    along = torch.arange(40, 400, 40).double()
    y, x = (t.flatten() for t in torch.meshgrid(along, along, indexing="ij"))
    x, y = torch.cat([x, x + 5.0]), torch.cat([y, y])
    sharp = torch.tensor([60.0, 220.0]).double()
    data = render_sources((420, 420), psf, x, y, torch.full((len(x),), 8000.0))
    data += render_sources((420, 420), gaussian_stamp(0.8, 25), sharp, sharp, torch.full((2,), 3000.0))
    images = [
        Image(
            data=data + torch.randn(420, 420, generator=rng) * 3,
            variance=torch.full_like(data, 9.0),
            mask=torch.zeros(420, 420, dtype=torch.bool),
        )
        for _ in range(2)
    ]
    first, second = (find_sources(image) for image in images)
    chosen = SelectStars()(images[0], first, second)
    assert not (np.hypot(chosen["x"] - 60, chosen["y"] - 60) < 2).any()
