"""Normalisation as Braai's own, padding after it, and sigma units that compare over missions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_ml.datamodules.channels import Channels, asinh_, nanmedian, resize
from astrid_ml.errors import UserError


def stamps(n: int = 4, size: int = 63) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(10, 3, (n, 3, size, size)).astype(np.float32))


def test_row_l2_gives_rows_of_unit_norm_and_leaves_zero_rows() -> None:
    x = stamps()
    x[0, 0, 5] = 0
    out = Channels(normalisation="row_l2").apply(x)
    norms = out.norm(dim=-1)
    assert norms[0, 0, 5] == 0
    norms[0, 0, 5] = 1
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-6)


def test_stamp_l2_gives_stamps_of_unit_norm() -> None:
    out = Channels(normalisation="stamp_l2").apply(stamps())
    assert torch.allclose(out.flatten(2).norm(dim=-1), torch.ones(4, 3), atol=1e-6)


def test_missing_pixels_count_as_zero_and_padding_comes_after_normalising() -> None:
    x = stamps()
    x[0, 0, 3, 4] = float("nan")
    x[1, :, 50:] = float("nan")
    valid = torch.tensor([[63, 63], [50, 63], [63, 63], [63, 63]])
    out = Channels(normalisation="row_l2", pad_value=1e-9).apply(x, valid)
    assert out[0, 0, 3, 4] == 0
    assert (out[1, :, 50:] == 1e-9).all()
    assert torch.allclose(out[1, :, :50].norm(dim=-1), torch.ones(3, 50), atol=1e-6)


def test_the_no_data_sentinel_blanks_its_row_as_in_production() -> None:
    x = stamps()
    x[0, 1, 7, 7] = torch.finfo(torch.float32).min
    out = Channels(normalisation="row_l2").apply(x)
    assert (out[0, 1, 7] == 0).all()
    assert torch.isfinite(out).all()
    assert torch.isfinite(Channels(normalisation="sigma").apply(x)).all()


@pytest.mark.parametrize("size", [30, 61, 63, 81])
def test_other_sizes_keep_the_source_in_the_centre(size: int) -> None:
    x = torch.zeros(1, 3, size, size)
    x[..., size // 2, size // 2] = 5.0
    out = Channels(normalisation="none", size=63, pad_value=0.0).apply(x)
    assert out.shape == (1, 3, 63, 63)
    assert (out[0, 0] == 5.0).nonzero().tolist() == [[31, 31]]


def test_sigma_units_do_not_depend_on_offset_and_scale() -> None:
    channels, x = Channels(normalisation="sigma"), stamps()
    assert torch.allclose(channels.apply(x), channels.apply(x * 250 - 1000), atol=2e-4)


def test_channels_come_in_the_wanted_order_or_not_at_all() -> None:
    x = stamps()
    out = Channels(names=("difference", "science"), normalisation="none").apply(x)
    assert torch.equal(out, x[:, [2, 0]])
    with pytest.raises(UserError, match="significance"):
        Channels(names=("significance",)).apply(x)


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(UserError, match="row_l2"):
        Channels(normalisation="zscale")


def test_asinh_in_place_is_torchs_own() -> None:
    values = torch.randn(1000, dtype=torch.float32) * 100
    expected = torch.asinh(values.double()).float()
    other = values.clone().requires_grad_()
    torch.testing.assert_close(asinh_(values), expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(asinh_(other * 1.0).detach(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(4, 3, 63, 63), (4, 3, 40, 50), (4, 3, 20, 63), (4, 3, 41, 41)])
def test_only_what_is_kept_is_made_and_it_is_as_if_all_were(shape: tuple[int, ...]) -> None:
    stamps = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 10 + 100
    stamps[0, 0, :5], stamps[1, 1], stamps[2, 2] = torch.nan, torch.nan, 5.0
    valid = torch.tensor([[12, shape[3]], [shape[2], 9], [15, 15], [shape[2], shape[3]]])
    small, whole = (Channels(size=size, normalisation="sigma") for size in (41, 63))
    for inside in (None, valid):
        expected = resize(whole.apply(stamps, inside), 41, whole.pad_value)
        assert torch.equal(small.apply(stamps, inside), expected)


@pytest.mark.parametrize("last", [1, 2, 5, 992])
def test_the_median_is_that_of_torch_to_the_bit(last: int) -> None:
    values = torch.randn((6, 3, last), generator=torch.Generator().manual_seed(last))
    values[0, 0], values[1, :, ::2], values[2] = torch.nan, torch.nan, 1.0
    expected = values.nanmedian(dim=-1, keepdim=True).values
    assert torch.equal(torch.nan_to_num(nanmedian(values)), torch.nan_to_num(expected))
    assert torch.equal(torch.isnan(nanmedian(values)), torch.isnan(expected))
