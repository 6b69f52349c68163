"""Scales on reading: against astropy's own, sign by sign; nothing without data becomes a value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.visualization import ManualInterval

from astrid_ml.datamodules.frame_channels import CHANNELS, FrameChannels
from astrid_ml.errors import UserError

LIMITS = {"science": (-2.0, 5.0), "reference": (1.0, 3.0), "difference": (-4.0, 3.0), "scorr": (-1.0, 6.0)}


def index_of(n: int, sign: Any = 1) -> pd.DataFrame:
    table = pd.DataFrame({"sign": np.broadcast_to(sign, n)})
    for name, (low, high) in LIMITS.items():
        table[f"zscale_low_{name}"], table[f"zscale_high_{name}"] = low, high
    return table


def cutouts(n: int = 5, size: int = 16) -> torch.Tensor:
    return torch.randn(n, size, size, 4, generator=torch.Generator().manual_seed(1)) * 4


def test_zscale_is_astropys_interval_clipped_and_the_loss_is_counted() -> None:
    raw = cutouts()
    channels = FrameChannels(scaling="zscale", size=16)
    made = channels.apply(raw, index_of(5))
    lost = channels.clipped(raw, index_of(5))
    for place, (name, (low, high)) in enumerate(LIMITS.items()):
        expected = ManualInterval(low, high)(raw[..., place].numpy(), clip=True)
        np.testing.assert_allclose(made[:, place].numpy(), expected, atol=1e-6)
        share = float(((raw[..., place] < low) | (raw[..., place] > high)).float().mean())
        assert lost[name]["pixels"] == pytest.approx(share)
    assert made.is_contiguous(memory_format=torch.channels_last)
    unclipped = FrameChannels(scaling="asinh", size=16).clipped(raw, index_of(5))
    assert {part for one in unclipped.values() for part in one.values()} == {0.0}


def test_a_five_sigma_source_saturates_zscaled_scorr_and_not_the_asinh_scale() -> None:
    raw = torch.zeros(2, 16, 16, 4)
    raw[0, 8, 8, 3], raw[1, 8, 8, 3] = 7.0, 40.0
    zscaled = FrameChannels(scaling="zscale", size=16)
    assert zscaled.clipped(raw, index_of(2))["scorr"]["centres"] == 1.0
    assert zscaled.apply(raw, index_of(2))[:, 3, 8, 8].tolist() == [1.0, 1.0]
    faint, bright = FrameChannels(scaling="asinh", size=16).apply(raw, index_of(2))[:, 3, 8, 8]
    assert bright > faint > 1
    assert faint == pytest.approx(np.arcsinh((7 - 2.5) / 3.5))


@pytest.mark.parametrize("scaling", ["zscale", "asinh", "sigma", "none"])
def test_a_faded_source_looks_like_one_that_appeared(scaling: str) -> None:
    raw, faded = cutouts(), cutouts()
    faded[..., 2:] *= -1
    channels = FrameChannels(scaling=scaling, size=16)
    swapped = index_of(5, sign=-1)
    for name in ("difference", "scorr"):  # the limits of the negated image
        low, high = LIMITS[name]
        swapped[f"zscale_low_{name}"], swapped[f"zscale_high_{name}"] = -high, -low
    assert torch.equal(channels.apply(raw, index_of(5)), channels.apply(faded, swapped))


def test_only_the_negatives_of_a_mixed_batch_are_turned() -> None:
    raw = cutouts(2)
    made = FrameChannels(scaling="none", size=16).apply(raw, index_of(2, sign=np.array([1, -1])))
    assert torch.equal(made[0], raw[0].permute(2, 0, 1))
    assert torch.equal(made[1, :2], raw[1, ..., :2].permute(2, 0, 1))
    assert torch.equal(made[1, 2:], -raw[1, ..., 2:].permute(2, 0, 1))


@pytest.mark.parametrize("scaling", ["zscale", "asinh", "sigma", "none"])
def test_missing_pixels_are_padded_and_change_nothing_else(scaling: str) -> None:
    raw = cutouts()
    channels = FrameChannels(scaling=scaling, size=16)
    whole = channels.apply(raw, index_of(5))
    holed = raw.clone()
    holed[0, :3] = torch.nan
    holed[1, 5, 5, 0] = torch.inf
    made = channels.apply(holed, index_of(5))
    assert torch.isfinite(made).all()
    assert (made[0, :, :3] == 0).all()
    assert made[1, 0, 5, 5] == 0
    assert torch.equal(made[2:], whole[2:])
    empty = channels.apply(torch.full((1, 16, 16, 4), torch.nan), index_of(1))
    assert (empty == 0).all()


def test_channels_are_chosen_by_name() -> None:
    raw = cutouts()
    made = FrameChannels(names=["scorr", "science"], scaling="none", size=16).apply(raw, index_of(5))
    assert torch.equal(made, raw[..., [3, 0]].permute(0, 3, 1, 2))
    turned = FrameChannels(names=["science"], scaling="none", size=16)
    assert torch.equal(turned.apply(raw, index_of(5), CHANNELS[::-1])[:, 0], raw[..., 3])
    with pytest.raises(UserError, match="sfft"):
        FrameChannels(names=["sfft"]).apply(raw, index_of(5))


def test_a_flat_channel_stays_finite_and_missing_limits_are_named() -> None:
    flat = index_of(5).assign(zscale_low_reference=0.0, zscale_high_reference=0.0)
    raw = cutouts()
    raw[..., 1] = 0
    for scaling in ("zscale", "asinh"):
        assert (FrameChannels(scaling=scaling, size=16).apply(raw, flat)[:, 1] == 0).all()
    with pytest.raises(UserError, match="zscale_low_scorr"):
        FrameChannels(scaling="asinh").apply(raw, index_of(5).drop(columns="zscale_low_scorr"))
    assert FrameChannels(scaling="sigma").apply(raw, index_of(5)[["sign"]]).shape == (5, 4, 16, 16)


@pytest.mark.parametrize("wrong", [{"scaling": "log"}, {"size": 0}, {"softening": 0.0}])
def test_scales_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="channels"):
        FrameChannels(**wrong)
