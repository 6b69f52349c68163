"""The way to subtract that is chosen for a pair, by what it shows itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from astrid_ml.files import write_json
from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.subtract.auto import Auto, ChoosesWay
from astrid_ml.preprocessing.differencing.subtract.kernel import Kernel
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair

SHAPE = (320, 320)


def pair(told: float = 1.6, seed: int = 5) -> SubtractionInput:
    """Sixty stars under PSFs of sigma 1.6 and 1.3 px; the first is said to be of ``told``."""
    g = torch.Generator().manual_seed(seed)
    x, y = (20 + 280 * torch.rand(60, generator=g, dtype=torch.double) for _ in range(2))
    flux = 4e3 * (1 - torch.rand(60, generator=g)) ** -0.6
    planes = []
    for sigma, noise in ((1.6, 10.0), (1.3, 8.0)):
        stars = render_sources(SHAPE, gaussian_stamp(sigma, 31), x, y, flux)
        planes.append(stars + noise * torch.randn(SHAPE, generator=g))
    none = torch.zeros(SHAPE, dtype=torch.bool)
    variances = (torch.full(SHAPE, 100.0), torch.full(SHAPE, 64.0))
    psfs = (gaussian_stamp(told, 31), gaussian_stamp(1.3, 31))
    order = torch.argsort(flux, descending=True)
    at = torch.stack([x, y], 1)[order]
    return SubtractionInput(planes[0], planes[1], variances, (none, none), psfs, (100.0, 64.0), stars=at)


def test_where_the_psfs_are_right_the_pair_is_subtracted_properly() -> None:
    assert torch.equal(Auto()(pair()).diff, Zogy()(pair()).diff)


def test_where_a_psf_is_wrong_the_fitted_kernel_is_taken() -> None:
    assert torch.equal(Auto()(pair(1.9)).diff, Kernel()(pair(1.9)).diff)


def test_without_stars_nothing_speaks_against_the_proper_subtraction() -> None:
    alone = replace(pair(), stars=None)
    assert torch.equal(Auto()(alone).diff, Zogy()(alone).diff)


def test_who_asks_for_much_gets_the_proper_subtraction() -> None:
    wrong = pair(1.7)
    tried = {"proper": Zogy()(wrong), "kernel": Kernel()(wrong)}
    blank = torch.ones(SHAPE, dtype=torch.bool)
    assert wrong.stars is not None
    chosen = Auto(gain=9.0, level=100.0).chosen(tried, wrong.stars, blank)
    assert chosen.name == "proper"
    assert chosen.figures["auto_residual_ratio"] < 1


@dataclass(frozen=True)
class Rings:
    """A kernel that leaves a hole beside each star."""

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        done = Kernel()(pair)
        assert pair.stars is not None
        significance = done.significance.clone()
        x, y = (pair.stars.long() + 7).T
        significance[y.clamp_max(SHAPE[0] - 2), x.clamp_max(SHAPE[1] - 2)] = -9.0
        return replace(done, significance=significance)


def test_a_way_that_makes_detections_around_stars_is_not_taken() -> None:
    wrong = pair(1.68)
    assert torch.equal(Auto(kernel=Rings())(wrong).diff, Zogy()(wrong).diff)
    assert torch.equal(Auto()(wrong).diff, Kernel()(wrong).diff)


def test_the_choice_and_its_reason_stand_in_the_record(sky: SkyPair, subtracted: Difference, tmp_path: Path) -> None:
    assert isinstance(Auto(), ChoosesWay) and not isinstance(Zogy(), ChoosesWay)
    done = replace(Subtraction(), subtract=Auto())(sky.science, sky.reference)
    write_json(tmp_path / "quality.json", done.quality.record())
    said = json.loads((tmp_path / "quality.json").read_text())
    assert said["subtract"] == "proper"
    assert "blank-sky noise" in said["subtract_because"] and "detections around them" in said["subtract_because"]
    assert said["auto_noise_ratio"] == pytest.approx(1.0, abs=0.03) and said["auto_sources"] >= 8
    assert len(done.candidates) == len(subtracted.candidates)
    assert "subtract" not in subtracted.quality.record()
