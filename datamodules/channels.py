"""Channels of a stamp: which, how large, how normalised. Stateless, and always taken from the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.stats import MAD_TO_SIGMA
from astrid_ml.types import Count, Filled, InUnits, Positive

# Some surveys mark missing pixels with the largest float; nothing real is that bright.
NO_DATA = 1e37
NORMALISATIONS = ("row_l2", "stamp_l2", "sigma", "none")


@dataclass(frozen=True)
class Channels:
    """Stamps of any size and order -> (B, C, size, size).

    Args:
        names: channels in the order that the network wants.
        size: pixels on a side of what the network gets.
        normalisation: ``row_l2`` divides each image row by its L2 norm (Braai d6_m7), ``stamp_l2`` each stamp by
            its L2 norm (Braai d6_m9), ``sigma`` subtracts the median, divides by the robust sigma and compresses
            by asinh (comparable over missions), ``none`` leaves the values.
        pad_value: for pixels beyond the valid ones, set after normalising, as Braai does.
        softening: sigma only: where asinh turns from linear to logarithmic, in sigma.
    """

    names: Annotated[tuple[str, ...] | list[str], Filled()] = ("science", "reference", "difference")
    size: Annotated[Count, InUnits("px")] = 63
    normalisation: str = "row_l2"
    pad_value: float = 1e-9
    softening: Positive = 3.0

    def __post_init__(self) -> None:
        if self.normalisation not in NORMALISATIONS:
            raise UserError(
                f"channels.normalisation of {', '.join(NORMALISATIONS)}", self.normalisation, "choose one of them"
            )

    def apply(
        self,
        stamps: Float[Tensor, "B C h w"],
        valid: Int[Tensor, "B 2"] | None = None,
        available: Sequence[str] = ("science", "reference", "difference"),
    ) -> Float[Tensor, "B K size size"]:
        """Choose, normalise, then crop or pad.

        Args:
            stamps: raw values; NaN counts as 0 (for ``sigma``: as the median).
            valid: height and width of the pixels that hold data, from the top left; None: all.
            available: names of the stamps' channels.

        Raises:
            UserError: a channel is not among the available ones.
        """
        chosen = stamps[:, channel_places(self.names, available)]
        inside = None if valid is None else valid_mask(valid, stamps.shape[-2], stamps.shape[-1])
        if self.normalisation == "sigma":  # what lies outside is measured, and not made
            normalised = asinh_sigma(chosen, inside, self.softening, self.size)
        else:
            normalised = central(normalise(chosen, self.normalisation, inside), self.size)
        if inside is not None:
            normalised = normalised.masked_fill(~central(inside, self.size)[:, None], self.pad_value)
        return resize(normalised, self.size, self.pad_value)


def channel_places(names: Sequence[str], available: Sequence[str]) -> list[int]:
    """Where the named channels stand among the available ones.

    Raises:
        UserError: one is not among them.
    """
    if not set(names) <= set(available):
        raise UserError(
            f"the channels {', '.join(names)}",
            f"only {', '.join(available)}",
            "give data with all channels of the checkpoint",
        )
    return [list(available).index(name) for name in names]


def valid_mask(valid: Int[Tensor, "B 2"], height: int, width: int) -> Tensor:
    """(B, h, w) bool: rows below the valid height and columns below the valid width."""
    rows = torch.arange(height, device=valid.device)[None, :, None] < valid[:, 0, None, None]
    columns = torch.arange(width, device=valid.device)[None, None, :] < valid[:, 1, None, None]
    return rows & columns


def normalise(stamps: Float[Tensor, "B C h w"], kind: str, inside: Tensor | None = None) -> Float[Tensor, "B C h w"]:
    """Apply a normalisation by norms, or none; see :class:`Channels`."""
    filled = torch.nan_to_num(stamps, nan=0.0, posinf=0.0, neginf=0.0)
    if inside is not None:
        filled = filled.masked_fill(~inside[:, None], 0.0)
    if kind == "none":
        return filled
    # In single precision, as production did: a row with the sentinel -3.4e38 (no data) has an infinite norm and
    # becomes zeros, while its other pixels keep no value that means anything.
    axes = (-1,) if kind == "row_l2" else (-2, -1)
    norm = (filled * filled).sum(dim=axes, keepdim=True).sqrt()
    return filled / torch.where(norm > 0, norm, torch.ones_like(norm))


def asinh_sigma(stamps: Tensor, inside: Tensor | None, softening: float, size: int | None = None) -> Tensor:
    """asinh((x - median) / (softening sigma)), sigma a robust one of the finite, valid pixels of each channel.

    Args:
        stamps: (B, C, h, w).
        inside: (B, h, w), which pixels are valid; None: all.
        softening: in sigmas.
        size: of what is wanted, its central pixels; None: all.
    """
    finite = torch.isfinite(stamps) & (stamps.abs() < NO_DATA)
    if inside is not None:
        finite = finite & inside[:, None]
    values = torch.where(finite, stamps, torch.full_like(stamps, float("nan")))
    # About a thousand pixels tell the median to 4 % of sigma; sorting all of them would cost more than the network.
    sample = values.flatten(2)[..., :: max(1, values.shape[-2] * values.shape[-1] // 1000)]
    median = torch.nan_to_num(nanmedian(sample))[..., None]  # (B, C, 1, 1)
    spread = MAD_TO_SIGMA * torch.nan_to_num(nanmedian((sample - median[..., 0]).abs()))[..., None]
    values = central(values, size)
    # A channel of one value (a flat or empty reference) has no noise to measure: it becomes all zeros.
    scaled = torch.where(spread > 0, (values - median) / (softening * spread), torch.zeros_like(values))
    return asinh_(torch.nan_to_num(scaled))


def nanmedian(values: Tensor) -> Tensor:
    """The lower median of the last axis, which stays with one entry; NaN where nothing else is.

    On a processor by numpy, which sorts whole rows in a fraction of the time that torch's selection takes.
    """
    if values.device.type != "cpu" or values.requires_grad:
        return values.nanmedian(dim=-1, keepdim=True).values
    ordered = np.sort(values.numpy(), axis=-1)  # NaN go last
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    return torch.from_numpy(np.take_along_axis(ordered, (count - 1) // 2, axis=-1))


def asinh_(values: Tensor) -> Tensor:
    """asinh in place. On a processor by numpy, whose loop is vectorised: measured 50 times as fast as torch's."""
    if values.device.type != "cpu" or values.requires_grad:
        return values.asinh_()
    array = values.numpy()
    np.arcsinh(array, out=array)
    return values


def resize(stamps: Float[Tensor, "B C h w"], size: int, value: float) -> Float[Tensor, "B C size size"]:
    """Crop or pad around the central pixel, so that the source stays in the centre."""
    height, width = stamps.shape[-2:]
    if (height, width) == (size, size):
        return stamps
    top, left = _offset(height, size), _offset(width, size)
    out = stamps.new_full((*stamps.shape[:2], size, size), value)
    source_y, source_x = max(-top, 0), max(-left, 0)
    rows, columns = min(height, size), min(width, size)
    out[..., max(top, 0) : max(top, 0) + rows, max(left, 0) : max(left, 0) + columns] = stamps[
        ..., source_y : source_y + rows, source_x : source_x + columns
    ]
    return out


def central(stamps: Tensor, size: int | None) -> Tensor:
    """The central pixels of stamps that are larger than (..., size, size); smaller axes stay as they are."""
    for axis in (-2, -1):
        if size is not None and stamps.shape[axis] > size:
            stamps = stamps.narrow(axis, -_offset(stamps.shape[axis], size), size)
    return stamps


def _offset(have: int, want: int) -> int:
    """Where the stamp begins in the frame (negative: where the frame begins in the stamp); odd sizes share a centre."""
    return (want // 2) - (have // 2)
