"""Few stars: the shift that they show goes into pixels, its error is honest, stars that disagree are refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.stamps import fit_sources
from astrid_ml.preprocessing.differencing.registered import largest
from astrid_ml.preprocessing.differencing.stars.match import registration
from astrid_ml.preprocessing.differencing.stars.select import find_sources
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput
from astrid_ml.preprocessing.differencing.subtract.refine import Refine, RefineNone
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair, simulate_pair

OFF = (0.8, -0.4)


def pair_of(seed: int) -> SkyPair:
    """A 256 x 256 pair of a few stars, twenty transients and a reference whose header is off by ``OFF``."""
    sky = SkyConfig(
        shape=(256, 256), stars=120.0, star_flux=(1e4, 6e4), galaxies=0.0, transients=300.0, in_galaxies=0.0
    )
    pair = simulate_pair(replace(sky, snr=(15.0, 60.0)), seed)
    assert pair.reference.wcs is not None
    wcs = pair.reference.wcs.deepcopy()
    wcs.wcs.crpix += np.array(OFF)
    return replace(pair, reference=pair.reference.with_(wcs=wcs))


@pytest.fixture(scope="module")
def few() -> SkyPair:
    """A pair with a handful of stars that both images hold."""
    return pair_of(5)


def centre_of(psf: torch.Tensor) -> tuple[float, float]:
    """Gaussian-weighted centroid (px) of a stamp about its middle."""
    t = (torch.arange(psf.shape[-1]) - psf.shape[-1] // 2).double()
    weighted = psf.double() * torch.exp(-(t[:, None] ** 2 + t[None] ** 2) / 32)
    return float((weighted.sum(0) * t).sum() / weighted.sum()), float((weighted.sum(1) * t).sum() / weighted.sum())


def displaced(done: Difference, truth: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Mean offset (px) of DIFF's transients above S/N 8 from the truth, and its error per axis."""
    strength = truth["snr_opt"] if "snr_opt" in truth else truth["snr"]
    x, y = (torch.from_numpy(truth[c][strength > 8].to_numpy(copy=True)) for c in ("x", "y"))
    out = done.result
    flux, error, at_x, at_y, spread = fit_sources(out.diff, out.variance, out.mask, out.psf, x, y)
    good = torch.isfinite(flux) & (flux > 5 * error)
    weight = spread[good].double() ** -2
    mean = [float((d[good] * weight).sum() / weight.sum()) for d in (at_x - x, at_y - y)]
    return np.array(mean), float(weight.sum() ** -0.5)


def test_the_shift_of_a_few_stars_goes_into_pixels(few: SkyPair) -> None:
    done = Subtraction()(few.science, few.reference)
    assert 3 <= done.quality.matched_stars < 8 and done.reference.realigned
    assert largest(done.matched.shift, done.science.shape) < 0.03
    assert np.abs(centre_of(done.result.psf)).max() < 0.02
    off, error = displaced(done, few.truth)
    assert np.abs(off).max() < 0.05 + 2 * error
    assert any("the registration is known to" in said for said in done.quality.warnings)


@dataclass(frozen=True)
class _Off(Refine):
    """Finds a shift that stars did not show, once: it must not stay in the PSF."""

    asked: list[float] = field(default_factory=list)

    def __call__(self, pair: SubtractionInput) -> tuple[SubtractionInput, dict[str, float]]:
        """The pair, and a shift at the first call."""
        self.asked.append(float(pair.reference.sum()))
        return pair, {"refine_dx": 0.3 if len(self.asked) == 1 else 0.0, "refine_dy": 0.0}


def test_a_shift_that_the_refinement_finds_goes_into_pixels(few: SkyPair) -> None:
    plain = Subtraction()(few.science, few.reference)
    off = _Off()
    moved = Subtraction(refine=off)(few.science, few.reference)
    assert len(off.asked) == 2
    stars = torch.from_numpy(plain.matched.stars[["x", "y"]].to_numpy(copy=True))
    places = [
        fit_sources(d.reference.data, d.reference.variance, d.reference.mask, d.pair.psfs[1], stars[:, 0], stars[:, 1])
        for d in (plain, moved)
    ]
    assert float((places[1][2] - places[0][2]).median()) == pytest.approx(-0.3, abs=0.03)
    assert float((places[1][3] - places[0][3]).median()) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("n", [3, 5, 7, 12])
@pytest.mark.parametrize("scatter", [0.0, 0.05])
def test_the_error_of_the_registration_is_honest(n: int, scatter: float) -> None:
    rng = np.random.default_rng(n)
    true, said = [], []
    for _ in range(60):
        spread, shift = 10 ** rng.uniform(-2.3, -1.4, n), rng.uniform(-1, 1, 2)
        dx, dy = shift[:, None] + rng.normal(0, 1, (2, n)) * np.hypot(spread, scatter)
        x, y = rng.uniform(0, 1000, (2, n))
        stars = pd.DataFrame({"x": x, "y": y, "dx": dx, "dy": dy, "spread": spread})
        found, sigma = registration(stars, 0.1 if n < 8 else None)
        at = found.numpy() @ np.array([np.ones(30), *rng.uniform(0, 1000, (2, 30))])
        true.append(np.mean((at - shift[:, None]) ** 2) + scatter**2)
        said.append(sigma**2)
    rms, told = np.sqrt(np.mean(true)), np.sqrt(np.mean(said))
    assert rms < 1.2 * told and told < 2 * rms + (0.07 if n < 8 else 0.01)


def test_seven_stars_show_a_turn_and_five_do_not() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.uniform(0, 1000, (2, 7))
    stars = pd.DataFrame({"x": x, "y": y, "dx": -1e-3 * (y - 500), "dy": 1e-3 * (x - 500), "spread": 0.01})
    assert registration(stars, 0.1)[0][1, 1] == pytest.approx(1e-3, rel=0.05)
    shift, sigma = registration(stars[:5], 0.1)
    assert float(shift[:, 1:].abs().max()) == 0 and sigma > 0.15  # said, not hidden


def test_two_stars_that_agree_are_a_shift() -> None:
    pair = pair_of(7)
    done = Subtraction()(pair.science, pair.reference)
    assert len(done.matched.stars) == 2 and done.reference.realigned
    off, error = displaced(done, pair.truth)
    assert np.abs(off).max() < 0.05 + 2 * error and done.quality.astrometric_sigma >= 0.1


def test_stars_that_disagree_are_refused_with_the_numbers(few: SkyPair) -> None:
    found = Subtraction()(few.science, few.reference).matched.stars
    torn = torch.full_like(few.science.data, float(few.science.data.median()))
    for number, (x, y) in enumerate(found[["x", "y"]].to_numpy().round().astype(int)):
        part = (slice(max(y - 14, 0), y + 15), slice(max(x - 14, 0), x + 15))
        torn[part] = torch.roll(few.science.data[part], ((1, -1, 0)[number % 3], (0, 1, -1)[number % 3]), (0, 1))
    with pytest.raises(UserError, match=r"\d stars of .* that differ by \d\.\d\d px.*max_scatter"):
        Subtraction(register=None)(few.science, few.science.with_(data=torn))


def test_a_small_shift_of_few_stars_may_be_their_own_motion(few: SkyPair) -> None:
    assert few.science.wcs is not None and few.reference.wcs is not None
    wcs = few.reference.wcs.deepcopy()
    wcs.wcs.crpix += np.array([0.1, 0.0]) - np.array(OFF)
    done = Subtraction(refine=RefineNone())(few.science, few.reference.with_(wcs=wcs))
    assert not done.reference.realigned and done.quality.astrometric_sigma == 0.1
    assert Subtraction()(few.science, few.reference.with_(wcs=wcs)).reference.realigned  # by the refinement


@pytest.mark.real_data
def test_the_kept_pair_of_three_stars(real_data: Path) -> None:
    folder = real_data.parent / "cases" / "differencing" / "few-stars-shift"
    done = DifferencingPipeline().difference(Frame(str(folder / "sci.fits.gz")), Frame(str(folder / "ref.fits.gz")))
    assert np.abs(centre_of(done.result.psf)).max() < 0.02
    off, error = displaced(done, pd.read_csv(folder / "truth.csv"))
    assert np.abs(off).max() < 0.05 and error < 0.02


def test_what_stars_and_refinement_disagree_about_is_no_known_registration(few: SkyPair) -> None:
    steps = Subtraction()
    science = steps.flat(few.science)
    placed = steps.registered(science, few.reference, find_sources(science))
    shift = torch.zeros(2, 3)
    shift[1, 0] = 0.2
    torn = replace(placed, matched=replace(placed.matched, shift=shift, sigma=0.03))
    settled = replace(placed, matched=replace(placed.matched, shift=shift / 10, sigma=0.03))
    assert steps.registered_to(torn) == pytest.approx(np.hypot(0.03, 0.2 / 2**0.5), rel=1e-4)
    assert steps.registered_to(settled) == 0.03
    assert Subtraction(realign=0.0).registered_to(torn) == 0.03  # where nothing is moved, nothing disagrees
