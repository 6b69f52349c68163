"""A 3D U-Net over (time, rows, columns) (Cicek et al. 2016, arXiv:1606.06650), with pooling chosen axis by axis."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from astrid_ml.errors import UserError
from astrid_ml.types import Count


class ConvBlock(nn.Module):
    """Two 3x3x3 convolutions with group normalisation (batches of ramps are small); residual where asked for.

    Args:
        inputs: channels in.
        outputs: channels out.
        residual: add the input, by a 1x1x1 convolution where the channels differ.
    """

    def __init__(self, inputs: int, outputs: int, residual: bool) -> None:
        super().__init__()
        groups = next(g for g in (8, 4, 2, 1) if outputs % g == 0)
        self.body = nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(groups, outputs),
            nn.ReLU(inplace=True),
            nn.Conv3d(outputs, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(groups, outputs),
        )
        self.shortcut: nn.Module | None = None
        if residual:
            self.shortcut = nn.Identity() if inputs == outputs else nn.Conv3d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T, H, W)."""
        y: Tensor = self.body(x)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return torch.relu(y)


class TemporalContext(nn.Module):
    """Adds to every voxel what its pixel does over the whole ramp: the largest and the mean value of each channel.

    Deeper levels reach far in time only by losing the pixel. A pixel that steps up here and down much later is
    telegraph noise, one that steps once is not: the two look alike within a few reads.

    Args:
        channels: of the input and of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv3d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, T, H, W) -> the same shape."""
        whole = torch.cat([x.amax(2, keepdim=True), x.mean(2, keepdim=True)], dim=1)
        y: Tensor = x + self.mix(whole)
        return y


class UNet3D(nn.Module):
    """Classify every voxel, or every pixel, of a stack of reads.

    Any T, H, W of at least 1 works: sizes that the pooling does not divide are met by interpolating the decoder's
    maps to the size of the encoder's.

    Args:
        in_channels: channels of the input.
        classes: channels of the output.
        widths: channels of each level; 32, 64, 128, 256, 512 is the published size, the default is light.
        pooling: (T, H, W) factor between neighbouring levels, one for all or one for each; None pools all axes at
            every second step and only H and W at the others.
        residual: residual blocks instead of plain ones.
        output: ``voxel`` (B, classes, T, H, W) or ``pixel`` (B, classes, H, W), the maximum over time.
        deep_supervision: in training also return logits of the coarser decoder levels.
        temporal_context: give each voxel a summary of its pixel's whole ramp, at full resolution.
    """

    def __init__(
        self,
        in_channels: Count = 2,
        classes: Count = 4,
        widths: Sequence[Count] = (8, 16, 32),
        pooling: Sequence[Sequence[Count]] | None = None,
        residual: bool = True,
        output: str = "voxel",
        deep_supervision: bool = False,
        temporal_context: bool = True,
    ) -> None:
        super().__init__()
        if output not in ("voxel", "pixel"):
            raise UserError("output of voxel or pixel", output, "choose one of them")
        steps = len(widths) - 1
        factors = [tuple(f) for f in pooling] if pooling is not None else [(1 + i % 2, 2, 2) for i in range(steps)]
        if len(factors) != steps:
            raise UserError(f"{steps} pooling factors for {len(widths)} widths", f"{len(factors)}", "give one a step")
        self.output, self.deep_supervision = output, deep_supervision
        self.encoders = nn.ModuleList(
            ConvBlock(i, o, residual) for i, o in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.context = TemporalContext(widths[0]) if temporal_context else None
        self.pools = nn.ModuleList(nn.MaxPool3d(factor, ceil_mode=True) for factor in factors)
        self.decoders = nn.ModuleList(
            ConvBlock(widths[i + 1] + widths[i], widths[i], residual) for i in reversed(range(steps))
        )
        self.head = nn.Conv3d(widths[0], classes, 1)
        self.side_heads = nn.ModuleList(
            nn.Conv3d(widths[i], classes, 1) for i in reversed(range(1, steps)) if deep_supervision
        )

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """(B, in_channels, T, H, W) -> logits; in training with deep supervision a list, finest first."""
        skips = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(self.pools[level - 1](x) if level else x)
            if level == 0 and self.context is not None:
                x = self.context(x)
            skips.append(x)
        sides = []
        for step, decoder in enumerate(self.decoders):
            skip = skips[len(skips) - 2 - step]
            x = decoder(torch.cat([interpolate(x, size=skip.shape[2:], mode="nearest"), skip], dim=1))
            if step < len(self.side_heads) and self.training:
                sides.append(self._reduce(self.side_heads[step](x)))
        logits = self._reduce(self.head(x))
        return [logits, *reversed(sides)] if sides else logits

    def _reduce(self, logits: Tensor) -> Tensor:
        return logits.amax(dim=2) if self.output == "pixel" else logits
