"""The sky where neither image shows it: crowds of stars, and what a background step got wrong."""

import numpy as np
import pytest
import sep
import torch

from astrid_ml.preprocessing.differencing.detect.measure import forced
from astrid_ml.preprocessing.differencing.difference import Subtraction
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.segment import segmented
from astrid_ml.preprocessing.differencing.sky.background import SubtractBackground
from astrid_ml.preprocessing.differencing.subtract.differential_sky import DifferentialSky, box_means
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair, simulate_pair


@pytest.fixture(scope="module")
def crowd() -> SkyPair:
    return simulate_pair(SkyConfig(shape=(384, 384), stars=15000, galaxies=60), 4)


def test_a_crowd_has_a_sky_and_its_transients_their_fluxes(crowd: SkyPair) -> None:
    flat = SubtractBackground()(crowd.science)
    assert flat.sky == pytest.approx(200.0, rel=0.2)
    done = Subtraction()(crowd.science, crowd.reference)
    truth = crowd.truth
    at = [torch.from_numpy(truth[c].to_numpy(dtype=float).copy()) for c in ("x", "y")]
    flux = forced(done.result, at[0], at[1])[0].numpy()
    strong = truth["snr_opt"].to_numpy() > 10
    weight = truth["snr_opt"].to_numpy()[strong] ** 2
    slope = np.sum(weight * flux[strong] / truth["flux"].to_numpy()[strong]) / weight.sum()
    assert slope == pytest.approx(1.0, abs=4 * weight.sum() ** -0.5)
    places, known = done.candidates[["x", "y"]].to_numpy(), truth[["x", "y"]].to_numpy()
    away = np.hypot(*(places[:, None] - known[None]).transpose(2, 0, 1)).min(1)
    assert (away > 4).sum() <= 3
    assert done.quality.significance.std_raw == pytest.approx(1.0, abs=0.15)


def test_a_sky_that_one_image_kept_is_taken_away_and_none_where_there_is_none() -> None:
    pair = simulate_pair(SkyConfig(shape=(384, 384)), 5)
    plain = Subtraction()(pair.science, pair.reference)
    assert plain.quality.figures["differential_sky"] < 0.1
    tilt = torch.linspace(-20, 30, 384)[None, :].expand(384, 384)

    class Wrong(SubtractBackground):
        def __call__(self, image: Image) -> Image:
            flat = super().__call__(image)
            return flat.with_(data=flat.data + tilt) if image is pair.science else flat

    wrong = Subtraction(background=Wrong())(pair.science, pair.reference)
    good = plain.blank & wrong.blank
    assert abs(float((wrong.result.diff - plain.result.diff)[good].mean())) < 1.0
    assert float((wrong.result.diff - plain.result.diff)[good].std()) < 4.0  # the sky's noise is 15 e-
    left = Subtraction(background=Wrong(), differential_sky=None)(pair.science, pair.reference)
    assert float((left.result.diff - plain.result.diff)[good].mean()) > 3.0


def test_pixels_without_photons_are_no_measure_of_the_sky() -> None:
    pair = simulate_pair(SkyConfig(shape=(384, 384), sky=(0.2, 0.2), read_noise=(0.0, 0.0), star_flux=(30.0, 3e4)), 6)
    done, plain = (Subtraction(differential_sky=s)(pair.science, pair.reference) for s in (DifferentialSky(), None))
    assert len(done.candidates) <= len(plain.candidates) + 3  # 1,400 per Mpx more where it was believed


def test_errors_of_boxes_know_that_noise_is_correlated() -> None:
    noise = torch.randn(1032, 1032, generator=torch.Generator().manual_seed(3))
    smooth = torch.nn.functional.avg_pool2d(noise[None, None], 5, 1)[0, 0]
    for plane in (noise[:1024, :1024], smooth[:1024, :1024]):
        level, error = box_means(plane, torch.ones(1024, 1024, dtype=torch.bool), 128)
        assert level.shape == (8, 8) and 0.6 < np.mean((level / error) ** 2) < 1.8
    nothing = box_means(noise, torch.zeros(1032, 1032, dtype=torch.bool), 128)[0]
    assert np.isnan(nothing).all()


def test_without_a_pixel_to_look_at_there_is_no_sky_left() -> None:
    pair = simulate_pair(SkyConfig(shape=(128, 128)), 5)
    done = Subtraction(differential_sky=None)(pair.science, pair.reference)
    result = done.result
    bad = torch.ones_like(result.mask)
    empty = DifferentialSky()(
        type(result)(result.diff, result.significance, result.psf, result.variance, bad, result.flux_error),
        done.pair.variances,
        ~bad,
    )
    assert empty == (None, {"differential_sky": 0.0})


def test_an_island_of_thousands_of_stars_is_no_error() -> None:
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:600, :600]
    data = (rng.normal(0, 1, (600, 600)) + 60 + 50 * np.cos(x * 0.7) * np.cos(y * 0.7)).astype(np.float32)
    sep.set_sub_object_limit(1024)
    sep.set_extract_pixstack(1_000_000)
    with pytest.raises(Exception, match="deblending overflow"):
        sep.extract(data, 3.0, err=1.0)
    table, _ = segmented(data, 3.0, 1.0, np.zeros(data.shape, bool), minarea=5)
    assert len(table) >= 1


@pytest.mark.parametrize("height", [6.0, -6.0])
def test_below_a_galaxy_that_hides_the_sky_the_difference_shows_it(height: float) -> None:
    side, noise = 512, torch.randn(512, 512, generator=torch.Generator().manual_seed(8)) * 10
    t = torch.arange(side) - side / 2
    hump = height * torch.exp(-(t[:, None] ** 2 + t[None, :] ** 2) / (2 * 90**2))
    blank = (t[:, None].abs() > 140) | (t[None, :].abs() > 140)  # of the sky; the galaxy covers the middle
    flat, none = torch.full((side, side), 100.0), torch.zeros(side, side, dtype=torch.bool)
    result = SubtractionResult(noise + hump, noise, torch.ones(1, 1), flat, none, flat)
    sky, _ = DifferentialSky()(result, (flat, flat), blank)
    assert sky is not None and float((sky - hump).abs().max()) < 2.0
    covered = flat.masked_fill(~blank, 1000.0)  # a galaxy as bright as this may leave more than the noise
    kept, _ = DifferentialSky()(result, (covered, flat), blank)
    assert kept is None or float(kept[200:312, 200:312].abs().max()) < 2.0


def test_a_second_round_has_smaller_boxes_but_none_too_small() -> None:
    assert [DifferentialSky(box=128).finer(n).box for n in (0, 1, 2, 9)] == [128, 64, 32, 32]
