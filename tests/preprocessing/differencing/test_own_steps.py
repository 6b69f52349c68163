"""Steps of a user's own that give no more than their protocols ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd
import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.difference import Difference, Subtraction
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.align import Align
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair


@dataclass(frozen=True)
class MedianSky:
    """Takes the median away, and says nothing of it."""

    def __call__(self, image: Image) -> Image:
        return image.with_(data=image.data - image.data[~image.mask].median())


@dataclass(frozen=True)
class BareAlign:
    """Gives planes and a WCS alone."""

    def __call__(self, science: Image, reference: Image, correction: Tensor | None = None) -> Image:
        made = Align()(science, reference, correction)
        return Image(made.data, made.variance, made.mask, wcs=made.wcs)


@dataclass(frozen=True)
class NoRefinement:
    """Leaves the pair and says nothing."""

    def __call__(self, pair: SubtractionInput) -> tuple[SubtractionInput, dict[str, float]]:
        return pair, {}


@dataclass(frozen=True)
class BareSubtract:
    """A subtraction without figures."""

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        return replace(Zogy()(pair), quality={})


@dataclass(frozen=True)
class Brightest:
    """One candidate: the most significant pixel."""

    def __call__(self, significance: Tensor, mask: Tensor) -> pd.DataFrame:
        at = int(torch.where(mask, -torch.inf, significance).argmax())
        y, x = divmod(at, significance.shape[1])
        snr = float(significance[y, x])
        return pd.DataFrame({"x": [float(x)], "y": [float(y)], "snr": [snr], "sign": [1], "flags": [0]})


def test_a_background_step_needs_no_more_than_its_protocol_asks(sky: SkyPair, subtracted: Difference) -> None:
    done = Subtraction(background=MedianSky())(sky.science, sky.reference)
    record = done.quality.record()
    assert record["background_science"] == pytest.approx(float(sky.science.data[~sky.science.mask].median()), rel=1e-3)
    assert float(done.science.data[done.science.mask].abs().sum()) == 0.0
    assert record["sig_std_raw"] == pytest.approx(subtracted.quality.significance.std_raw, rel=0.1)


def test_every_other_step_too(sky: SkyPair, subtracted: Difference) -> None:
    steps = Subtraction(align=BareAlign(), refine=NoRefinement(), subtract=BareSubtract(), detect=Brightest())
    done = steps(sky.science, sky.reference)
    assert done.candidates["snr"].tolist() == pytest.approx([subtracted.candidates["snr"].max()], rel=0.1)
    assert done.quality.record()["warnings"] == list(done.quality.warnings)
