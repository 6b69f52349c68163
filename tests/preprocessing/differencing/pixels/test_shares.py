"""What is worked out from a share of the pixels, in tiles or by sliding is what all pixels say."""

import numpy as np
import pytest
import torch

from astrid_ml.preprocessing.differencing.pixels import lanczos
from astrid_ml.preprocessing.differencing.pixels.fill import fill_all
from astrid_ml.preprocessing.differencing.pixels.lanczos import resample_along
from astrid_ml.preprocessing.differencing.pixels.typical import typical


@pytest.mark.parametrize("dim", [0, 1])
def test_sliding_taps_are_gathered_taps(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(1)
    planes = (torch.randn(150, 170, generator=g), torch.rand(150, 170, generator=g) + 1)
    y, x = torch.meshgrid(torch.arange(150.0).double(), torch.arange(170.0).double(), indexing="ij")
    along = (x + 0.013 * y - 1.7) if dim == 1 else (y + 0.011 * x - 1.2)
    slid = resample_along(planes, along, dim, 5)
    monkeypatch.setattr(lanczos, "_SPAN", 0)
    lanczos._tables.cache_clear()
    gathered = resample_along(planes, along, dim, 5)
    lanczos._tables.cache_clear()
    for a, b in zip(slid, gathered, strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_holes_of_many_tiles_are_filled_by_their_neighbours() -> None:
    ramp = torch.arange(120.0).expand(90, 120).contiguous()
    mask = torch.rand(90, 120, generator=torch.Generator().manual_seed(2)) < 0.05
    mask[40:80, 60:100] = True
    spoiled = torch.where(mask, torch.nan, ramp)
    filled, flat = fill_all((spoiled, torch.ones(90, 120)), mask)
    assert torch.equal(filled[~mask], ramp[~mask]) and bool(torch.isfinite(filled).all())
    assert float((filled - ramp)[:30, 10:110].abs().max()) < 1.5
    assert float(filled[60, 80]) == 0 and float(flat[60, 80]) == 0  # nothing good is near
    assert float(flat[:30].min()) == pytest.approx(1, abs=1e-5)


def test_a_share_of_the_pixels_has_the_median_of_all() -> None:
    plane = torch.randn(1024, 1024, generator=torch.Generator().manual_seed(3)) + torch.arange(1024.0) / 1024
    assert typical(plane) == pytest.approx(float(plane.median()), abs=0.02)
    few = torch.zeros(1024, 1024, dtype=torch.bool)
    few[5, 7] = True
    assert typical(plane, few) == float(plane[5, 7]) and np.isnan(typical(plane, torch.zeros_like(few)))
