"""The lists of a prediction: probabilities, the mask, events in DN."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from scipy.stats import norm

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.lists import (
    JUMP_COLUMNS,
    detections,
    prediction_mask,
    with_probability,
    write_mask,
)
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball
from astrid_ml.preprocessing.ramps.ramp.codes import CLASS_NAMES, COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes

# Eight groups, 10 s apart, of 2 e-/DN.
RAMP = Ramp(np.zeros((2, 8, 20, 22), np.float32), ReadTimes.single(10.0 * np.arange(1.0, 9.0)), "DN", 2.0, 10.0)


def jump(group: int, y: int, x: int, amplitude: float, kind: int = COSMIC_RAY, **more: Any) -> dict[str, Any]:
    row = {"integration": 0, "group": group, "y": y, "x": x, "type": kind, "amplitude": amplitude, "snr": 20.0}
    return row | {"found_by": "likelihood", "probability": 0.9} | more


def found(
    *jumps: dict[str, Any],
    telegraph: Sequence[dict[str, Any]] = (),
    snowballs: Sequence[Snowball] = (),
    **thresholds: Any,
) -> Processed:
    exposure = Exposure(RAMP, Processing(config=DetectorConfig(**thresholds)))
    flickers = pd.DataFrame(list(telegraph) or None, columns=None if telegraph else list(FLICKER))
    return Processed(exposure, pd.DataFrame(jumps, columns=list(JUMP_COLUMNS)), flickers, list(snowballs), {}, {})


BALL = Snowball(
    integration=0, group=5, y=10.0, x=12.0, core_radius=2.0, radius=4.0, axis_ratio=0.9, fill=0.8,
    pixels=np.array([[10, 12], [10, 13], [11, 12]]), core=np.array([[10, 12]]), growth=3,
)  # fmt: skip
FLICKER = {"integration": 0, "y": 3, "x": 4, "amplitude": 60.0, "transitions": 5, "r2": 0.8, "first_frame": 2}


def test_probability_is_one_less_the_false_ones_at_each_step() -> None:
    """Of 10^6 tests that are noise alone: what is expected between a step and the next stronger one, made monotone."""
    snr = np.array([-3.0, 8.0, 4.0, 6.0])
    table = with_probability(pd.DataFrame([jump(1, 0, i, 50.0, snr=s) for i, s in enumerate(snr)]), 1_000_000)
    beyond = 2e6 * norm.sf([8.0, 6.0, 4.0, 3.0])
    expected = np.clip(1 - np.diff(beyond, prepend=0.0), 0, 1)
    assert table["probability"].to_numpy()[[1, 3, 2, 0]] == pytest.approx(expected, abs=1e-6)
    assert (table["probability"][0], table["probability"][2]) == (0.0, 0.0)  # 63 are expected beyond 4 sigma
    assert table["probability"][1] > 0.999999


def test_probabilities_are_true_of_the_faintest_listed_ones_too() -> None:
    """Rays of all sizes among noise beyond 4.5 sigma: of the steps that are called p, a share p is real."""
    random, tests = np.random.default_rng(3), 3_000_000
    false = norm.isf(random.random(tests // 4) * norm.sf(3.5) * 2 / 2)[: int(2 * tests * norm.sf(3.5))]
    real = np.exp(random.uniform(np.log(3.5), np.log(200), 400))
    snr, true = np.concatenate([false, real]), np.arange(len(false) + len(real)) >= len(false)
    listed = snr > 4.5
    steps = pd.DataFrame([jump(1, i // 1000, i % 1000, 50.0, snr=s) for i, s in enumerate(snr[listed])])
    chance, true = with_probability(steps, tests)["probability"].to_numpy(), true[listed]
    unsure = chance < 0.9
    assert unsure.sum() >= 15 and chance[unsure].mean() == pytest.approx(true[unsure].mean(), abs=0.2)
    assert true[chance > 0.99].mean() > 0.99
    assert (np.diff(chance[np.argsort(snr[listed])]) >= 0).all()


def test_more_tests_make_a_step_less_probable() -> None:
    steps = pd.DataFrame([jump(1, 0, 0, 50.0, snr=5.0)])
    few, many = (with_probability(steps, n)["probability"].item() for n in (10_000, 1_000_000))
    assert few > 0.99
    assert many < 0.5


def test_columns_of_the_list_and_their_types() -> None:
    table = with_probability(pd.DataFrame([jump(1, 2, 3, 50.0, extra="left out")]), 10)
    assert tuple(table.columns) == JUMP_COLUMNS
    assert [table.dtypes[name].name for name in ("group", "type", "amplitude", "probability")] == [
        "int32", "uint8", "float32", "float32",
    ]  # fmt: skip
    assert len(with_probability(pd.DataFrame(columns=list(JUMP_COLUMNS)), 10)) == 0


def test_the_mask_puts_snowball_over_telegraph_noise_over_ray() -> None:
    jumps = (jump(1, 3, 4, 80.0), jump(2, 10, 13, 80.0), jump(2, 6, 7, 80.0), jump(4, 6, 8, 9.0, TELEGRAPH_NOISE))
    mask = prediction_mask(found(*jumps, telegraph=[FLICKER], snowballs=[BALL]))
    expected = {(3, 4): TELEGRAPH_NOISE, (6, 8): TELEGRAPH_NOISE, (6, 7): COSMIC_RAY}
    expected |= {(10, 12): SNOWBALL, (10, 13): SNOWBALL, (11, 12): SNOWBALL}
    assert mask.dtype == np.uint8
    assert mask.shape == (20, 22)
    assert {tuple(at): int(mask[tuple(at)]) for at in np.argwhere(mask).tolist()} == expected


def test_the_written_mask_says_what_its_codes_mean(tmp_path: Path) -> None:
    mask = np.array([[0, 1], [2, 3]], np.uint8)
    write_mask(tmp_path, mask)
    assert np.load(tmp_path / "prediction_mask.npy").tolist() == mask.tolist()
    with fits.open(tmp_path / "prediction_mask.fits") as hdus:
        assert hdus[0].data.tolist() == mask.tolist()
        assert [hdus[0].header[f"CODE{k}"] for k in range(4)] == list(CLASS_NAMES)


def test_touching_jumps_of_one_group_are_one_ray_in_dn() -> None:
    """Also by a corner; another group, or a pixel between, makes another ray."""
    jumps = (jump(4, 5, 5, 300.0), jump(4, 6, 6, 100.0), jump(4, 6, 8, 120.0), jump(5, 6, 6, 140.0))
    one, two, three = detections(found(*jumps))
    assert [(e["first_frame"], e["spatial_extent"], e["max_intensity"]) for e in (one, two, three)] == [
        (4, 2, 150.0), (4, 1, 60.0), (5, 1, 70.0),
    ]  # fmt: skip
    assert one["centroid"] == [5.25, 5.25]  # (x, y), by charge
    assert one["mean_intensity"] == 100.0
    assert {e["type"] for e in (one, two, three)} == {"cosmic_ray"}


@pytest.mark.parametrize(
    "thresholds",
    [{"cosmic_ray_min_intensity": 151.0}, {"min_confidence": 0.95}, {"cosmic_ray_max_spatial_extent": 1},
     {"min_anomaly_pixels": 3}],
)  # fmt: skip
def test_a_ray_beyond_any_threshold_is_not_listed(thresholds: dict[str, Any]) -> None:
    jumps = (jump(4, 5, 5, 300.0), jump(4, 6, 6, 100.0))
    assert len(detections(found(*jumps))) == 1
    assert detections(found(*jumps, **thresholds)) == []


def test_telegraph_pixels_are_listed_by_their_confidence() -> None:
    rows = [
        FLICKER,
        FLICKER | {"x": 5, "r2": 0.4},  # too poor a fit
        FLICKER | {"x": 6, "r2": np.nan, "confidence": 0.7},  # no fit: the fusion's word alone
    ]
    events = detections(found(telegraph=rows[:2]))
    assert [(e["position"], e["transitions"], e["mean_intensity"], e["fit_quality"]) for e in events] == [
        ([4, 3], 5, 30.0, 0.8)
    ]
    (event,) = detections(found(telegraph=rows[2:]))
    assert (event["confidence"], event["fit_quality"]) == (0.7, None)


def test_a_snowball_says_how_long_its_core_is_masked() -> None:
    halo = jump(5, 10, 13, 160.0, SNOWBALL)
    far = jump(5, 18, 21, 9000.0, SNOWBALL)  # another event's
    (event,) = detections(found(halo, far, snowballs=[BALL], snowball_time_masked_next_int=95.0))
    assert (event["centroid"], event["radius"], event["growth_frames"]) == ([12.0, 10.0], 4.0, 3)
    assert (event["mean_intensity"], event["max_intensity"], event["spatial_extent"]) == (80.0, 80.0, 3)
    assert event["mask_next_integration_frames"] == 10
    assert event["confidence"] == pytest.approx(0.72)
    (bare,) = detections(found(snowballs=[BALL]))
    assert bare["mean_intensity"] is None  # nothing jumped beside the core


def test_events_are_plain_json_in_order_of_time() -> None:
    jumps = (jump(7, 5, 5, 300.0), jump(1, 6, 6, 200.0), jump(0, 1, 1, 200.0, integration=1))
    events = detections(found(*jumps, telegraph=[FLICKER], snowballs=[BALL]))
    assert json.loads(json.dumps(events)) == events
    order = [(e["integration"], e["first_frame"]) for e in events]
    assert order == sorted(order) == [(0, 1), (0, 2), (0, 5), (0, 7), (1, 0)]
