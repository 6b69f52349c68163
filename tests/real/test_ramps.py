"""A real HST WFC3/IR exposure: reading it, and the one cosmic ray that calwf3 found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.preprocessing.ramps.commands.predict import PredictRamps
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint


@pytest.mark.real_data
def test_wfc3_ima_order_units_and_noise(real_data: Path) -> None:
    ramp = read_ramp(real_data / "wfc3_ramps" / "ibxy07p9q_ima.fits")
    assert ramp.shape == (1, 4, 266, 266)
    np.testing.assert_allclose(ramp.data[0, :, 18, 225], [0, 25.8, 32.9, 852.8], atol=0.06)
    np.testing.assert_allclose(ramp.group_times, [0, 0.277815, 0.55563, 0.833445], rtol=1e-6)
    assert ramp.read_noise == pytest.approx(14.14, abs=0.01)
    assert ramp.unit == "e-"


@pytest.mark.real_data
def test_the_cosmic_ray_of_calwf3_is_found(real_data: Path) -> None:
    ramp = read_ramp(real_data / "wfc3_ramps" / "ibxy07p9q_ima.fits")
    whole = slice(None)
    reads = torch.from_numpy(ramp.electrons(0, whole, whole))
    assert ramp.reference is not None
    reads[:, torch.from_numpy(ramp.reference)] = torch.nan
    noise = torch.from_numpy(ramp.noise(whole, whole))
    sampling = Sampling.of(ramp.sampling)
    steps = StepDetector()(reads, noise, sampling)
    places = set(zip(steps.group.tolist(), steps.y.tolist(), steps.x.tolist(), strict=True))
    assert (3, 18, 225) in places
    assert len(places) <= 6
    dq = torch.zeros(reads[None].shape, dtype=torch.int32)
    flags, _ = TwoPoint(flag_neighbours=False)(reads[None], dq, noise)
    flagged = {tuple(place) for place in (flags[0] != 0).nonzero().tolist()}
    assert (3, 18, 225) in flagged
    assert len(flagged) <= 6


@pytest.mark.real_data
def test_prediction_of_the_ima_lists_the_cosmic_ray(real_data: Path, tmp_path: Path) -> None:
    PredictRamps(str(real_data / "wfc3_ramps" / "ibxy07p9q_ima.fits"), str(tmp_path)).run()
    jumps = pd.read_parquet(tmp_path / "ibxy07p9q_ima" / "jumps.parquet")
    rays = {(int(g), int(y), int(x)) for g, y, x in zip(jumps.group, jumps.y, jumps.x, strict=True)}
    assert (3, 18, 225) in rays
    assert len(rays) <= 6
    assert np.load(tmp_path / "ibxy07p9q_ima" / "prediction_mask.npy")[18, 225] == 1
