"""The sky is found under stars, with its noise."""

from typing import Literal

import numpy as np
import pytest
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.sky.background import KeepBackground, SubtractBackground
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import simulate_pair


@pytest.mark.parametrize("method", ["sep", "photutils"])
def test_a_tilted_sky_is_found_under_stars(method: Literal["sep", "photutils"]) -> None:
    pair = simulate_pair(SkyConfig(shape=(512, 512), galaxies=0, stars=800, transients=0), seed=3)
    tilt = torch.linspace(0, 40, 512)[None, :].expand(512, 512)
    image = pair.science.with_(data=pair.science.data + tilt)
    done = SubtractBackground(method=method)(image)
    # The sky is 200 e- plus the tilt; its noise sqrt(225) = 15 e-; wings of stars may lift it a little.
    assert done.background is not None
    error = (done.background - 200 - tilt)[32:-32, 32:-32]
    # photutils flattens the tilt towards the edges: 3.0 e- whatever the scene.
    assert float(error.mean().abs()) < 2.0 and float(error.std()) < 3.5
    assert done.sky_rms == pytest.approx(15.0, rel=0.1)


def test_masked_pixels_do_not_pull_the_sky() -> None:
    data = torch.from_numpy(np.random.default_rng(0).normal(50, 2, (128, 128)).astype(np.float32))
    mask = torch.zeros(128, 128, dtype=torch.bool)
    mask[:, 20:60] = True
    data[:, 20:60] = 1e5
    done = SubtractBackground(box=32)(Image(data=data, variance=torch.full_like(data, 4.0), mask=mask))
    assert float(done.data[~mask].mean().abs()) < 0.3 and float(done.data[mask].abs().max()) == 0


@pytest.mark.parametrize("sky", [200.0, -300.0])
def test_an_image_that_is_said_to_have_no_sky_and_has_one_is_refused(sky: float) -> None:
    pair = simulate_pair(SkyConfig(shape=(256, 256), galaxies=20, stars=800, transients=0), seed=3)
    flat = SubtractBackground()(pair.science)
    assert KeepBackground()(flat).sky == 0.0
    with pytest.raises(UserError, match=r"an image without its sky; got .*90 % of whose pixels .*background=sep"):
        KeepBackground()(flat.with_(data=flat.data + sky))
