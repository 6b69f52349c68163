"""Detectors that count down: recognised by the mean ramp, refused until that is said, and then the same exposure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.build import mean_fall
from astrid_ml.preprocessing.ramps.readers.options import Polarity, RampOptions
from astrid_ml.types import Array

KNOWN = RampOptions(unit="DN", gain=2.0, read_noise=12.0, group_time=10.0)
PLAIN = Processing(reference=None)


def cube(rate: float, n: int = 10, size: int = 32) -> Array:
    """DN; a ray of 400 DN at group 6, (5, 7), and a pixel that fills up at 30000."""
    random = np.random.default_rng(4)
    flux = np.cumsum(random.poisson(20.0 * rate, (n, size, size)), axis=0) / 2.0
    out = 10000.0 + flux + random.normal(0, 6.0, flux.shape)
    out[6:, 5, 7] += 400.0
    out[4:, 20, 21] = 30000.0
    return np.rint(out).astype(np.float32)


def read(tmp_path: Path, data: Array, options: RampOptions) -> Ramp:
    np.save(tmp_path / "a.npy", data)
    return read_ramp(tmp_path / "a.npy", options)


@pytest.mark.parametrize("said", ["inverted", "auto"])
@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_a_ramp_that_was_turned_over_is_the_same_exposure(tmp_path: Path, said: Polarity, kind: type) -> None:
    data = cube(10.0)
    options = replace(KNOWN, saturation=29000.0)
    right = process(Exposure(read(tmp_path, data, options), PLAIN))
    turned = read(tmp_path, (65535 - data).astype(kind), replace(KNOWN, saturation=65535 - 29000.0, polarity=said))
    assert turned.inverted and turned.notes[-1].startswith("inverted polarity")
    found = process(Exposure(turned, PLAIN))
    assert found.jumps.equals(right.jumps)
    np.testing.assert_allclose(found.features["slope"], right.features["slope"], rtol=1e-4, equal_nan=True)
    # A limit that the settings give is the lowest read of such a detector too.
    own = Exposure(replace(turned, saturation_dn=None), replace(PLAIN, saturation_dn=65535 - 29000.0))
    lost = np.isnan(next(own.strips(0)).reads)
    assert np.argwhere(lost.any(0)).tolist() == [[20, 21]] and lost[:, 20, 21].sum() == 6


def test_a_ramp_that_falls_is_refused_until_it_is_said_what_that_means(tmp_path: Path) -> None:
    data = 65535 - cube(10.0)
    with pytest.raises(UserError, match=r"a ramp whose signal rises.*falls by .* e-.*polarity=inverted"):
        read(tmp_path, data, KNOWN)
    kept = read(tmp_path, data, replace(KNOWN, polarity="normal"))
    assert not kept.inverted and np.array_equal(kept.data[0], data)


@pytest.mark.parametrize("rate", [0.0, 0.01, 10.0, 500.0])
@pytest.mark.parametrize("drift", [0.0, -3.0])
def test_ramps_that_rise_and_darks_with_a_small_drift_are_left_alone(tmp_path: Path, rate: float, drift: float) -> None:
    """A drift of half a read noise over the whole ramp is no polarity."""
    data = cube(rate) + np.linspace(0, drift, 10, dtype=np.float32)[:, None, None]
    for said in (KNOWN, replace(KNOWN, polarity="auto")):
        ramp = read(tmp_path, data, said)
        assert not ramp.inverted and mean_fall(ramp) == 0.0


def test_stars_and_rays_do_not_decide(tmp_path: Path) -> None:
    """A third of the pixels that fall (bleeding, persistence) are not the median pixel."""
    data = cube(0.1)
    data[:, :10] -= 100.0 * np.arange(10, dtype=np.float32)[:, None, None]
    assert not read(tmp_path, data, KNOWN).inverted


def test_a_drift_that_reference_pixels_show_too_is_no_polarity(tmp_path: Path) -> None:
    """Raw darks drift by many read noises until the reference pixels are subtracted."""
    data = cube(0.01) - 15.0 * np.arange(10, dtype=np.float32)[:, None, None]
    with pytest.raises(UserError, match="falls"):
        read(tmp_path, data, KNOWN)
    assert not read(tmp_path, data, replace(KNOWN, border=4)).inverted
    bright = 65535 - cube(10.0)
    bright[:, :4], bright[:, -4:], bright[:, :, :4], bright[:, :, -4:] = 9000.0, 9000.0, 9000.0, 9000.0
    assert read(tmp_path, bright, replace(KNOWN, border=4, polarity="auto")).inverted
