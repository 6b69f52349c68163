"""Count rates from elsewhere: other integrations, and an image of the field."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.steps.prior import EVIDENCE, Integrations, KnownRate, neighbours_prior
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.types import Floats, Mask

NOISE, STEP, SIZE = 12.0, 10.0, 40


def test_integrations_beside_one_are_its_median_and_each_is_read_once() -> None:
    asked: list[int] = []
    random = np.random.default_rng(1)
    rates = torch.from_numpy(random.normal(5, 1, (7, 6, 6)))
    rates[3, 2, 2] = torch.nan

    def one(integration: int) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(integration)
        return rates[integration], torch.full((6, 6), 0.5).double()

    known = Integrations(7, one)
    for integration in range(7):
        others = [k for k in range(max(0, integration - 2), min(7, integration + 3)) if k != integration]
        beside = known.beside(integration)
        assert beside is not None and beside.kind == "integrations"
        np.testing.assert_allclose(beside.rate, np.nanmedian(rates[others].numpy(), axis=0))
        spread = (np.pi / 2 if len(others) > 2 else 1.0) / len(others)
        assert float(beside.variance[0, 0]) == pytest.approx(0.5 * spread)
    assert asked == list(range(7))
    assert Integrations(1, one).beside(0) is None


def test_a_rate_from_elsewhere_is_corrected_by_what_surrounds_the_pixel() -> None:
    """An image with a sky that is 3 e-/s too bright, a star, and a pixel that nobody knows."""
    random = np.random.default_rng(2)
    truth = np.full((20, 20), 4.0)
    truth[10, 10] = 60.0
    own = torch.from_numpy(truth + random.normal(0, 0.5, truth.shape))
    image = torch.from_numpy(truth + 3.0)
    image[5, 5] = torch.nan
    prior = neighbours_prior(own, torch.full((20, 20), 0.25), None, [KnownRate("reference", image, image * 0)])
    part = prior.parts[-1]
    assert EVIDENCE[part.evidence] == "reference"
    mean, sigma, said = (one.reshape(20, 20) for one in (part.mean, part.sigma, part.log_weight))
    assert float(mean[10, 10]) == pytest.approx(60.0, abs=0.5) and float(mean[3, 3]) == pytest.approx(4.0, abs=0.5)
    assert float(sigma[10, 10]) == pytest.approx(0.01 * 63.0, rel=0.4) and float(sigma[3, 3]) < 0.4
    assert bool(said[5, 5].isinf()) and int(said.isinf().sum()) == 1


def crowded(seed: int) -> Floats:
    """Rates that neighbours do not tell, e-/s."""
    random = np.random.default_rng(seed)
    return np.exp(random.normal(1.0, 1.2, (SIZE, SIZE)))


def exposure(rate: Floats, n_ints: int, hit: Mask, seed: int) -> Ramp:
    """Three groups an integration; rays of 8 read noises in the second integration's last group."""
    random = np.random.default_rng(seed)
    counts = random.poisson(rate * STEP, (n_ints, 3, *rate.shape)).cumsum(1)
    data = (counts + random.normal(0, NOISE, counts.shape)).astype(np.float32)
    data[1, 2, hit] += 8 * NOISE
    return Ramp(data, ReadTimes.single([STEP, 2 * STEP, 3 * STEP]), "e-", 1.0, NOISE)


def test_other_integrations_and_an_image_tell_what_neighbours_cannot() -> None:
    rate = crowded(3)
    hit = np.random.default_rng(4).random(rate.shape) < 0.1
    ramp = exposure(rate, 4, hit, 5)
    image = (rate * 1.002 + 0.5).astype(np.float32)
    pictured = Ramp(ramp.data, ramp.sampling, "e-", 1.0, NOISE, rate=image)
    shares, names = {}, {}
    cases: tuple[tuple[str, Ramp, Literal["neighbours", "integrations"]], ...] = (
        ("neighbours", ramp, "neighbours"),
        ("integrations", ramp, "integrations"),
        ("reference", pictured, "neighbours"),
    )
    for name, given, prior in cases:
        settings = Processing(steps=StepDetector(prior=prior), reference=None)
        found = process(Exposure(given, settings)).jumps
        own = found[found.integration == 1]
        there = np.zeros(rate.shape, dtype=bool)
        there[own.y[own.group == 2], own.x[own.group == 2]] = True
        shares[name] = there[hit].mean()
        names[name] = set("+".join(found.found_by).split("+"))
        assert len(found) - there[hit].sum() < 0.01 * 3 * 4 * SIZE**2 * 0.1
    assert shares["integrations"] > shares["neighbours"] + 0.1, shares
    assert shares["reference"] > shares["integrations"], shares
    assert "integrations" in names["integrations"] and "reference" in names["reference"]
    assert "integrations" not in names["neighbours"]


def test_an_image_of_rates_is_read_in_its_unit(tmp_path: Path) -> None:
    from astropy.io import fits

    np.save(tmp_path / "cube.npy", np.cumsum(np.full((5, 8, 8), 20.0, np.float32), 0))
    image = np.arange(64, dtype=np.float32).reshape(8, 8)
    image[0, 0] = np.inf
    said = RampOptions(unit="DN", gain=2.0, read_noise=5.0, group_time=10.0, rate=str(tmp_path / "rate.fits"))
    for unit, factor in (("DN/s", 2.0), ("e-/s", 1.0)):
        fits.PrimaryHDU(image, fits.Header([("BUNIT", unit)])).writeto(tmp_path / "rate.fits", overwrite=True)
        ramp = read_ramp(tmp_path / "cube.npy", said)
        assert ramp.rate is not None and np.isnan(ramp.rate[0, 0])
        np.testing.assert_allclose(ramp.rate[1:], image[1:] * factor)
    fits.PrimaryHDU(image, fits.Header([("BUNIT", "DN")])).writeto(tmp_path / "rate.fits", overwrite=True)
    with pytest.raises(UserError, match="count rates in e-/s or DN/s"):
        read_ramp(tmp_path / "cube.npy", said)
