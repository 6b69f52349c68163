"""What methods claim on one exposure: an exposure made by hand, with every step known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.fusion.fusion import UNDECIDED
from astrid_ml.preprocessing.ramps.fusion.windows import Windows
from astrid_ml.preprocessing.ramps.judge import methods
from astrid_ml.preprocessing.ramps.judge.methods import (
    ExposureScores,
    own_thresholds,
    score_exposure,
    true_steps,
    two_point_steps,
)
from astrid_ml.preprocessing.ramps.judge.truth import Truth
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.options import border_mask
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Floats32, Mask

NOISE, N, SIZE = 5.0, 12, 16
# integration, group, y, x, type, event, charge (e-)
STEPS = [
    (0, 5, 3, 3, COSMIC_RAY, 0, 200.0),
    (0, 7, 3, 9, COSMIC_RAY, 1, 150.0),
    (1, 4, 8, 8, COSMIC_RAY, 2, 100.0),
    (1, 6, 12, 2, COSMIC_RAY, 3, 9.0),  # below two read noises: nobody can decide it
    (0, 3, 10, 10, COSMIC_RAY, 4, 120.0),  # two events in one pixel
    (0, 8, 10, 10, TELEGRAPH_NOISE, 5, 120.0),
]


def truth() -> Truth:
    names = ["integration", "group", "y", "x", "type", "event", "charge"]
    return Truth(pd.DataFrame(STEPS, columns=names), pd.DataFrame(), NOISE)


def exposure(data: Floats32, reference: Mask | None = None, twopoint: TwoPoint | None = None) -> Exposure:
    times = 100.0 * np.arange(1, data.shape[1] + 1, dtype=np.float64)
    ramp = Ramp(data, ReadTimes.single(times), "e-", 1.0, NOISE, reference=reference)
    return Exposure(ramp, Processing(reference=None, twopoint=twopoint))


@pytest.fixture(scope="module")
def scored() -> ExposureScores:
    data = np.random.default_rng(0).normal(0, NOISE, (2, N, SIZE, SIZE)).astype(np.float32)
    for integration, group, y, x, _, _, charge in STEPS:
        data[integration, group:, y, x] += charge
    made = exposure(data)
    return score_exposure(7, process(made), data, truth(), None, Windows())[0]


def test_each_ray_has_its_best_score_within_one_group(scored: ExposureScores) -> None:
    assert list(scored.rays.columns) == ["size", "two_point", "likelihood"]
    assert scored.rays["size"].tolist() == [40.0, 30.0, 20.0]  # one event a pixel, three read noises or more
    expected = scored.rays["size"] / np.sqrt(2)  # a single difference's significance
    assert scored.rays["two_point"].to_numpy() == pytest.approx(expected, abs=4)
    assert (scored.rays["likelihood"] > scored.rays["two_point"] * 0.8).all()


def test_claims_carry_the_truth_of_their_place(scored: ExposureScores) -> None:
    for claim in scored.claims.values():
        assert claim.scores.shape == (len(claim.label), 4)
        assert set(claim.exposure.tolist()) == {7}
        strong = claim.scores[:, 0] > 12
        assert sorted(claim.label[strong].tolist()) == [COSMIC_RAY] * 4 + [TELEGRAPH_NOISE]
        assert not claim.quiet[strong].any()
        noise = claim.quiet
        assert (claim.label[noise] == 0).all()
        assert claim.scores[noise, 0].max(initial=0.0) < 6


def test_totals_are_of_decided_steps_and_the_area_of_pixels_without_events(scored: ExposureScores) -> None:
    assert scored.totals == {"cosmic_ray": 4, "telegraph_noise": 1, "snowball": 0}
    assert scored.area == pytest.approx((2 * SIZE**2 - 5) * N / 1e6)


def test_a_step_is_decided_from_two_read_noises_on_and_where_its_read_is_there() -> None:
    cube = np.zeros((2, N, SIZE, SIZE), np.float32)
    cube[0, 7, 3, 9] = np.nan
    codes = true_steps(truth(), cube).set_index("event").type
    assert codes.to_dict() == {0: 1, 1: UNDECIDED, 2: 1, 3: UNDECIDED, 4: 1, 5: TELEGRAPH_NOISE}


def ladder() -> Floats32:
    """Noise-free ramps of 30 e- a group; rows have steps of 2, 4, 6, ... sigmas of a difference in group 6."""
    data = np.broadcast_to(30.0 * np.arange(N, dtype=np.float32)[:, None, None], (1, N, 8, 4)).copy()
    sigma = np.sqrt(30 + 2 * NOISE**2)
    data[0, 6:, :, 1] += (2 * sigma * np.arange(1, 9)).astype(np.float32)
    return data


def test_a_two_point_ratio_is_the_step_in_sigmas_of_photons_and_two_reads() -> None:
    found = two_point_steps(exposure(ladder()), ladder())
    assert found[["integration", "group", "x"]].drop_duplicates().to_numpy().tolist() == [[0, 6, 1]]
    assert found.y.tolist() == list(range(1, 8))  # from three sigmas on
    assert found.ratio.to_numpy() == pytest.approx(2.0 * np.arange(2, 9), rel=1e-4)


def test_two_point_claims_do_not_depend_on_the_bands_they_are_searched_in(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = two_point_steps(exposure(ladder()), ladder())
    monkeypatch.setattr(methods, "BAND_VOXELS", 3 * N * 4)
    pd.testing.assert_frame_equal(two_point_steps(exposure(ladder()), ladder()), whole)


def test_reference_pixels_claim_nothing() -> None:
    reference = border_mask(8, 4, 1)
    assert reference is not None
    found = two_point_steps(exposure(ladder(), reference), ladder())
    assert found.y.tolist() == list(range(1, 7))


def test_thresholds_are_those_in_use() -> None:
    settings = Processing(steps=StepDetector(threshold=5.5), twopoint=TwoPoint(threshold=6.5))
    assert own_thresholds(None, settings) == {"two_point": 6.5, "likelihood": 5.5}
    assert own_thresholds(None, Processing(twopoint=None))["two_point"] == TwoPoint().threshold
