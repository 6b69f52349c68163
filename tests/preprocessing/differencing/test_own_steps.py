"""Steps of a user's own that give no more than their protocols ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from astrid_ml.build import build
from astrid_ml.contracts.check import ContractError
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


class Gives:
    """A step that gives whatever its test says."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, *arguments: Any) -> Any:
        return self.value


def run_slot(slot: str, value: Any, sky: SkyPair, done: Difference) -> None:
    """The part of a subtraction that calls the step of a slot."""
    given: dict[str, Any] = {slot: Gives(value)}
    steps: Any = Subtraction(**given)
    calls: dict[str, Callable[[], object]] = {
        "background": lambda: steps.flat(sky.science),
        "align": lambda: steps._aligned(sky.science, sky.reference),
        "refine": lambda: steps._refined(done.pair),
        "subtract": lambda: steps.tiles(steps._subtracted, done.pair),
        "detect": lambda: steps._detected(done.result, lambda: pytest.fail("counts are not asked for")),
    }
    calls[slot]()


SMALL = Image(torch.zeros(3, 4), torch.ones(3, 4), torch.zeros(3, 4, dtype=torch.bool))


@pytest.mark.parametrize(
    ("slot", "value", "told"),
    [
        ("background", None, "return Image; got None"),
        ("background", torch.zeros(3, 4), r"return Image; got a Tensor of shape \(3, 4\)"),
        ("background", SMALL, r"got \(3, 4\)"),
        ("align", None, "return Image; got None"),
        ("align", (SMALL, 1.0), r"got a tuple \(Image, float\)"),
        ("align", SMALL, r"got \(3, 4\)"),
        ("refine", None, r"return \(SubtractionInput, .*; got None"),
        ("subtract", None, "return SubtractionResult; got None"),
        ("subtract", {"diff": torch.zeros(3, 4)}, "got a dict of 1"),
        ("detect", [], "return DataFrame; got a list of 0"),
        ("detect", pd.DataFrame({"x": [1.0], "y": [2.0]}), r"got x, y from .*add snr, sign, flags"),
    ],
)
def test_a_step_that_gives_something_else_is_named_with_its_slot(
    slot: str, value: Any, told: str, sky: SkyPair, subtracted: Difference
) -> None:
    with pytest.raises(ContractError, match=f"the step {slot} to .*{told}") as error:
        run_slot(slot, value, sky, subtracted)
    assert f"{__name__}.Gives" in error.value.got


@pytest.mark.parametrize("slot", ["background", "align", "refine", "subtract", "detect"])
def test_an_object_that_cannot_be_called_fills_no_slot(slot: str) -> None:
    names = [f"{__name__}.NotAStep", "astrid_ml.preprocessing.differencing.pipeline.DifferencingPipeline"]
    with pytest.raises(ContractError, match=f"{slot} with __call__"):
        build({"_target_": names[1], slot: {"_target_": names[0]}}, trust=names[:1])


class NotAStep:
    """Has nothing to call."""
