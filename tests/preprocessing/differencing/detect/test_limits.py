"""Upper limits and the purity that negative detections tell, against their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import truncnorm

from astrid_ml.preprocessing.differencing.detect.errors import upper_limit
from astrid_ml.preprocessing.differencing.detect.purity import purity
from astrid_ml.preprocessing.differencing.detect.undetected import UNDETECTED, undetected
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair


@pytest.mark.parametrize("share", [0.9, 0.95, 0.9987])
def test_the_limit_is_the_quantile_of_a_truncated_gaussian(share: float) -> None:
    flux, error = np.array([-9.0, -3.0, 0.0, 2.0, 40.0]), np.array([3.0, 2.0, 1.0, 2.0, 4.0])
    expected = truncnorm.ppf(share, -flux / error, np.inf, loc=flux, scale=error)
    np.testing.assert_allclose(upper_limit(flux, error, share), expected, rtol=1e-6)
    assert 0 < upper_limit(np.array([-40.0]), np.array([1.0]), share)[0] < 0.2
    assert np.isnan(upper_limit(np.array([np.nan]), np.array([1.0]))).all()


def candidates(positive: int, negative: int, flagged: int = 0) -> pd.DataFrame:
    sign = [1] * positive + [-1] * negative + [-1] * flagged
    return pd.DataFrame({"sign": sign, "flags": [0] * (positive + negative) + [4] * flagged})


def test_the_purity_holds_what_was_drawn() -> None:
    rng, held = np.random.default_rng(4), []
    for _ in range(400):
        true, false, other = rng.poisson(60), rng.poisson(15), rng.poisson(15)
        said = purity(candidates(true + false, other))
        held.append(said["purity_low"] <= 0.8 <= said["purity_high"])
    assert np.mean(held) > 0.9


def test_flagged_candidates_do_not_count_and_none_says_nothing() -> None:
    assert purity(candidates(10, 0, flagged=20))["purity"] == 1.0
    assert purity(candidates(0, 3)) == {"purity_positives": 0.0, "purity_negatives": 3.0}
    assert purity(candidates(3, 9))["purity"] == 0.0


def test_known_positions_without_a_candidate_get_a_limit(sky: SkyPair, subtracted: Difference) -> None:
    dark = np.argwhere(subtracted.blank.numpy()[60:320, 60:320])[::4000][:8] + 60
    known = pd.DataFrame({"object_id": [f"n{i}" for i in range(len(dark))], "x": dark[:, 1], "y": dark[:, 0]})
    known = pd.concat([known, pd.DataFrame({"object_id": ["beyond"], "x": [-9.0], "y": [5.0]})])
    table = undetected(known, pd.Series(["n1"]), subtracted.result, subtracted.science)
    assert list(table.columns) == list(UNDETECTED)
    assert set(table["object_id"]) == {f"n{i}" for i in range(len(dark))} - {"n1"}
    fine = table[~table["masked"]]
    assert (fine["flux_upper"] > fine["flux"]).all() and (fine["flux_upper"] > 0).all()
    assert subtracted.science.zero_point is not None
    np.testing.assert_allclose(fine["mag_upper"], subtracted.science.zero_point - 2.5 * np.log10(fine["flux_upper"]))
    result = subtracted.result
    hidden = undetected(
        known, pd.Series([], dtype=str), replace(result, mask=torch.ones_like(result.mask)), subtracted.science
    )
    assert hidden["masked"].all() and hidden["flux_upper"].isna().all()
