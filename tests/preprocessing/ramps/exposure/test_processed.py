"""What processing an exposure gives: the tables and maps as they are described."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes

N, SIZE = 12, 16


@pytest.fixture(scope="module")
def processed() -> Processed:
    """Two integrations of noise of 5 e-: a step of 400 e- in the second, a dead pixel in both."""
    data = np.random.default_rng(0).normal(0, 5.0, (2, N, SIZE, SIZE)).astype(np.float32)
    data[1, 4:, 6, 7] += 400.0
    data[:, :, 9, 9] = np.nan
    times = 100.0 * np.arange(1, N + 1, dtype=np.float64)
    ramp = Ramp(data, ReadTimes.single(times), "e-", 1.0, 5.0)
    return process(Exposure(ramp, Processing(reference=None)))


def test_a_step_stands_once_with_its_integration_group_and_size(processed: Processed) -> None:
    strong = processed.jumps[processed.jumps.snr > 20]
    assert list(strong.columns) == ["integration", "group", "y", "x", "type", "amplitude", "snr", "found_by"]
    (row,) = strong.to_dict("records")
    assert (row["integration"], row["group"], row["y"], row["x"], row["type"]) == (1, 4, 6, 7, COSMIC_RAY)
    assert row["amplitude"] == pytest.approx(400.0, abs=4 * 5 * np.sqrt(2))


def test_maps_have_a_plane_an_integration(processed: Processed) -> None:
    assert {values.shape for values in processed.features.values()} == {(2, SIZE, SIZE)}
    assert {values.dtype for values in processed.features.values()} == {np.dtype(np.float32)}
    steps = processed.features["largest_step_group"]
    assert steps[1, 6, 7] == 4
    assert np.isnan(processed.features["slope"][:, 9, 9]).all()


def test_counts_are_of_all_integrations(processed: Processed) -> None:
    assert processed.counts == {"pixels": 2 * SIZE**2, "pixels_unusable": 2, "pixels_after_snowballs": 0}
    assert processed.counts["pixels"] == np.prod(processed.exposure.ramp.shape) // N
    assert processed.snowballs == []
    assert len(processed.telegraph) == 0
