"""Shapes, options and losses of the 3D U-Net; background counts."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from astrid_ml.errors import UserError
from astrid_ml.models.losses.voxels import IGNORE, CrossEntropyDice, Focal, soft_dice
from astrid_ml.models.unet3d.network import UNet3D


@pytest.mark.parametrize("shape", [(8, 16, 16), (7, 13, 9), (31, 10, 21), (1, 1, 1)])
@pytest.mark.parametrize("residual", [True, False])
def test_any_size(shape: tuple[int, int, int], residual: bool) -> None:
    network = UNet3D(widths=(4, 8, 16), residual=residual)
    out = network(torch.randn(2, 2, *shape))
    assert isinstance(out, torch.Tensor)
    assert out.shape == (2, 4, *shape)


def test_pixel_output_and_deep_supervision() -> None:
    x = torch.randn(1, 2, 8, 16, 16)
    pixel = UNet3D(widths=(4, 8), output="pixel")(x)
    assert isinstance(pixel, torch.Tensor)
    assert pixel.shape == (1, 4, 16, 16)
    deep = UNet3D(widths=(4, 8, 8), pooling=((2, 2, 2), (1, 2, 2)), deep_supervision=True)
    several = deep.train()(x)
    assert [tuple(part.shape[2:]) for part in several] == [(8, 16, 16), (4, 8, 8)]
    assert isinstance(deep.eval()(x), torch.Tensor)


def test_the_published_widths_have_the_published_size() -> None:
    """Plain blocks of 32 to 512 channels: the convolutions of one block are 27 (i o + o o)."""
    network = UNet3D(in_channels=1, widths=(32, 64, 128, 256, 512), residual=False)
    convolutions = sum(p.numel() for name, p in network.encoders.named_parameters() if p.dim() == 5)
    pairs = [(1, 32), (32, 64), (64, 128), (128, 256), (256, 512)]
    assert convolutions == sum(27 * (i * o + o * o) for i, o in pairs)


def test_every_weight_learns() -> None:
    network = UNet3D(widths=(4, 8, 16))
    logits = network(torch.randn(1, 2, 6, 12, 12))
    assert isinstance(logits, torch.Tensor)
    CrossEntropyDice()(logits, torch.randint(0, 4, (1, 6, 12, 12))).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())


def test_calling_everything_an_anomaly_is_costly() -> None:
    target = torch.zeros(1, 4, 20, 20, dtype=torch.long)
    target[0, 2, 3, 3] = 1
    everything = torch.zeros(1, 4, 4, 20, 20)
    everything[:, 1] = 8.0
    right = 8.0 * torch.nn.functional.one_hot(target, 4).movedim(-1, 1).float()
    for loss in (CrossEntropyDice(), Focal()):
        assert float(loss(everything, target)) > 10 * float(loss(right, target))
        nothing = torch.zeros_like(everything)
        nothing[:, 0] = 8.0
        assert float(loss(everything, target)) > float(loss(nothing, target))


def test_losses_against_closed_forms() -> None:
    logits, target = torch.randn(2, 4, 3, 5, 5), torch.randint(0, 4, (2, 3, 5, 5))
    plain = Focal(weights=(1.0, 1.0, 1.0, 1.0), gamma=0.0)(logits, target)
    torch.testing.assert_close(plain, cross_entropy(logits, target))
    perfect = 100.0 * torch.nn.functional.one_hot(target, 4).movedim(-1, 1).float()
    assert float(soft_dice(perfect, target, 1.0)) == pytest.approx(0.0, abs=1e-6)


def test_undecided_voxels_do_not_count() -> None:
    logits, target = torch.randn(1, 4, 2, 6, 6), torch.randint(0, 4, (1, 2, 6, 6))
    target[:, :, :3] = IGNORE
    changed = logits.clone()
    changed[:, :, :, :3] += 5 * torch.randn_like(changed[:, :, :, :3])
    for loss in (CrossEntropyDice(), Focal()):
        torch.testing.assert_close(loss(logits, target), loss(changed, target))


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UserError, match="voxel or pixel"):
        UNet3D(output="frame")
    with pytest.raises(UserError, match="pooling"):
        UNet3D(widths=(4, 8), pooling=((1, 2, 2), (1, 2, 2)))
