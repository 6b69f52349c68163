"""A network of ramps says what is unlike its training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from astrid_ml.preprocessing.ramps.fusion.network import RampNetwork
from astrid_ml.preprocessing.ramps.judge.judge import GAIN, verdict


@pytest.mark.parametrize(
    ("trained", "own", "said"),
    [
        (("nrs1",), "nrs2", "detector nrs2, trained on nrs1"),
        (("nrs1",), "nrs1", ""),
        ((), "nrs2", ""),
        (("a",), None, ""),
    ],
)
def test_a_detector_that_was_not_trained_on_is_named(trained: tuple[str, ...], own: str | None, said: str) -> None:
    network = RampNetwork(lambda cube, times: cube, {}, (20.0,), (10.6,), trained)
    ramp: Any = SimpleNamespace(shape=(1, 20, 4, 4), steps=np.full(19, 10.6), name="e1", detector=own)
    assert (network.cadence_warning(ramp) or "").removeprefix("e1: ") == said


@pytest.mark.parametrize(
    ("gain", "ends", "words"),
    [
        (0.01, (0.002, 0.02), ""),
        (0.01, (-0.002, 0.02), "is not shown to add"),
        (-0.01, (-0.02, -0.001), "makes the fusion worse"),
        (0.01, None, "too few groups"),
    ],
)
def test_whether_the_network_adds_to_likelihood_and_rules(
    gain: float, ends: tuple[float, float] | None, words: str
) -> None:
    metrics: dict[str, float | None] = {
        GAIN: gain,
        "fusion/aucpr_mean": 0.9,
        "fusion_without_network/aucpr_mean": 0.9 - gain,
    }
    found = verdict(metrics, {} if ends is None else {GAIN: ends})
    assert words in found and bool(found) == bool(words)
    assert verdict({}, {}) == ""
