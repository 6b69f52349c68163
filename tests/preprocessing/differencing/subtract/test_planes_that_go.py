"""Planes that nobody needs any more go before others come: the peak of a subtraction is a claim (benchmarks)."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fill import fill_all
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.subtract import steps, zogy
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.tiles import Tiles


def pair_of(shape: tuple[int, int] = (120, 100), grid: int = 1) -> SubtractionInput:
    g = torch.Generator().manual_seed(1)
    n, r = torch.randn(shape, generator=g), torch.randn(shape, generator=g)
    mask = torch.rand(shape, generator=g) < 0.01
    psf = gaussian_stamp(1.3, 9)
    psfs = psf if grid == 1 else psf.expand(grid, grid, 9, 9)
    ones = torch.ones(shape)
    return SubtractionInput(n, r, (ones, ones), (mask, mask), (psfs, psfs), (1.0, 1.0), astrometric_sigma=0.1)


class OneAtATime:
    """Subtracts, and sees whether planes of earlier tiles are still held."""

    def __init__(self) -> None:
        self.made: list[weakref.ref[Tensor]] = []
        self.held: list[int] = []

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        self.held.append(sum(one() is not None for one in self.made))
        result = steps.Zogy()(pair)
        names = ("diff", "significance", "variance", "flux_error", "mask")
        self.made += [weakref.ref(getattr(result, name)) for name in names]
        return result


@pytest.mark.parametrize("grid", [1, 2, 3])
def test_the_planes_of_a_tile_go_before_those_of_the_next_come(grid: int) -> None:
    subtract = OneAtATime()
    Tiles(size=40)(subtract, pair_of(grid=grid))
    assert len(subtract.held) >= 9 and not any(subtract.held)


def test_filled_planes_go_as_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Tensor]] = []
    left: dict[str, int] = {}

    def filled(*given: Any) -> list[Tensor]:
        planes = fill_all(*given)
        held.extend(weakref.ref(plane) for plane in planes)
        return planes

    def seen(name: str, inner: Any) -> Any:
        def step(*given: Any) -> Any:
            left[name] = sum(one() is not None for one in held)
            return inner(*given)

        return step

    monkeypatch.setattr(steps, "fill_all", filled)
    for name in ("_spectra", "_add_shake"):
        monkeypatch.setattr(zogy, name, seen(name, getattr(zogy, name)))
    steps.Zogy()(pair_of())
    assert len(held) == 4 and left == {"_spectra": 2, "_add_shake": 0}


def test_planes_that_are_taken_give_what_planes_that_stay_give() -> None:
    pair = pair_of()
    images, variances = [pair.science, pair.reference], [*pair.variances]
    taken = zogy.zogy_of(images, pair.psfs, pair.noises, variances, 1.25, 0.1)
    stay = zogy.zogy(pair.science, pair.reference, pair.psfs, pair.noises, pair.variances, 1.25, 0.1)
    assert not images and not variances
    for name in ("d", "psf", "flux_scale", "score", "score_corr", "score_sigma", "score_scale"):
        assert torch.equal(getattr(taken, name), getattr(stay, name))
