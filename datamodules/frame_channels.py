"""Raw cutouts of frames become channels: which, in which order, on which scale. Scaling happens on reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from astrid_ml.datamodules.channels import asinh_, asinh_sigma, channel_places
from astrid_ml.errors import UserError
from astrid_ml.types import Count, Filled, InUnits, Positive

CHANNELS = ("science", "reference", "difference", "scorr")
SCALINGS = ("zscale", "asinh", "sigma", "none")
# A source that faded is negative in these; the science and reference images stay as they are.
SIGNED = ("difference", "scorr")


@dataclass(frozen=True)
class FrameChannels:
    """Cutouts (B, size, size, C) of raw frames -> (B, K, size, size).

    Args:
        names: channels in the order that the network wants.
        size: pixels on a side; the source stands on pixel ``size // 2``.
        scaling: ``zscale`` maps the frame's ZScale limits to 0 and 1 and clips (every 5-sigma source saturates in
            SCORR); ``asinh`` maps them to -1 and 1 and compresses by asinh, which clips nothing; ``sigma`` is in
            units of the cutout's own noise, compressed by asinh; ``none`` leaves the values.
        softening: where asinh turns from linear to logarithmic, in half-widths of the limits (asinh) or sigma (sigma).
        pad_value: for pixels without data, after scaling.
        signed: channels that are multiplied by the candidate's sign.
    """

    names: Annotated[tuple[str, ...] | list[str], Filled()] = CHANNELS
    size: Annotated[Count, InUnits("px")] = 64
    scaling: str = "asinh"
    softening: Positive = 1.0
    pad_value: float = 0.0
    signed: tuple[str, ...] | list[str] = SIGNED

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise UserError(f"channels.scaling of {', '.join(SCALINGS)}", self.scaling, "choose one of them")
        if self.size < 1 or self.softening <= 0:
            raise UserError(
                "channels.size of 1 or more and channels.softening above 0",
                f"{self.size} and {self.softening}",
                "give channels values in that range",
            )

    def apply(
        self,
        cutouts: Float[Tensor, "B h w C"],
        index: pd.DataFrame,
        available: Sequence[str] = CHANNELS,
    ) -> Float[Tensor, "B K h w"]:
        """Choose, turn by sign, scale; the result lies in channels-last memory.

        Args:
            cutouts: raw values, NaN where there is no data.
            index: their rows; ``sign`` where negatives are among them, ``zscale_low_<channel>`` and
                ``zscale_high_<channel>`` where the scaling wants them.
            available: names of the cutouts' channels.

        Raises:
            UserError: a channel or its limits are missing.
        """
        values, signs = self._chosen(cutouts, index, available)
        if self.scaling == "sigma":
            return asinh_sigma(values.permute(0, 3, 1, 2), None, self.softening)
        if self.scaling in ("zscale", "asinh"):
            low, high = self._limits(index, signs)
            values = self._between(values, low[:, None, None, :], high[:, None, None, :])
        filled = torch.nan_to_num(values, nan=self.pad_value, posinf=self.pad_value, neginf=self.pad_value)
        return filled.permute(0, 3, 1, 2)

    def clipped(
        self, cutouts: Float[Tensor, "B h w C"], index: pd.DataFrame, available: Sequence[str] = CHANNELS
    ) -> dict[str, dict[str, float]]:
        """What this scaling loses: for each channel the share of pixels, and of central pixels, that are clipped."""
        values, signs = self._chosen(cutouts, index, available)
        beyond = torch.zeros_like(values, dtype=torch.bool)
        if self.scaling == "zscale":
            low, high = (limit[:, None, None, :] for limit in self._limits(index, signs))
            beyond = (values < low) | (values > high)
        known = torch.isfinite(values)
        middle = values.shape[1] // 2
        out: dict[str, dict[str, float]] = {}
        for place, name in enumerate(self.names):
            pixels = beyond[..., place][known[..., place]]
            centres = beyond[:, middle, middle, place][known[:, middle, middle, place]]
            out[name] = {"pixels": _share(pixels), "centres": _share(centres)}
        return out

    def _chosen(self, cutouts: Tensor, index: pd.DataFrame, available: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """The channels in order, faded sources turned positive; and the signs (B, K) that did it."""
        order = channel_places(self.names, available)
        chosen = cutouts if order == list(range(cutouts.shape[3])) else cutouts[..., order]
        signs = self._signs(index)
        return (chosen if signs is None else chosen * signs[:, None, None, :]), signs

    def _between(self, values: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """ZScale's [0, 1], or asinh about the middle of the limits."""
        # A channel of one value has no contrast: nothing in it may become large.
        width = torch.where(high > low, high - low, torch.ones_like(high))
        if self.scaling == "asinh":
            return asinh_((values - (low + high) / 2).mul_(2 / (width * self.softening)))
        missing = torch.nan_to_num(values, nan=torch.nan, posinf=torch.nan, neginf=torch.nan)
        return missing.sub_(low).div_(width).clamp_(0, 1)

    @property
    def asks(self) -> tuple[str, ...]:
        """Columns of an index that :meth:`apply` looks at, where there are such."""
        return ("sign", *self._names_of_limits())

    def _names_of_limits(self) -> list[str]:
        return [f"zscale_{end}_{name}" for end in ("low", "high") for name in self.names]

    def _signs(self, index: pd.DataFrame) -> Tensor | None:
        """(B, K) of 1 and -1, or None where all candidates are positive."""
        if "sign" not in index:
            return None
        negative = index["sign"].to_numpy(dtype=np.float64, na_value=1.0) < 0
        if not negative.any():
            return None
        out = torch.ones(len(index), len(self.names))
        for place, name in enumerate(self.names):
            if name in self.signed:
                out[torch.from_numpy(negative), place] = -1.0
        return out

    def _limits(self, index: pd.DataFrame, signs: Tensor | None) -> tuple[Tensor, Tensor]:
        """ZScale limits (B, K) each; a negated channel has its limits negated and swapped."""
        wanted = self._names_of_limits()
        found = index.reindex(columns=wanted).to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isfinite(found).all():
            lacking = [name for name, column in zip(wanted, found.T, strict=True) if not np.isfinite(column).all()]
            raise UserError(
                "each frame's ZScale limits in the index",
                f"none in {', '.join(lacking[:4])}",
                "prepare the frames anew, or choose channels.scaling=sigma (or none, for frames in [0, 1])",
            )
        low, high = torch.from_numpy(found.astype(np.float32)).chunk(2, dim=1)
        if signs is None:
            return low, high
        return torch.where(signs < 0, -high, low), torch.where(signs < 0, -low, high)


def _share(flags: Tensor) -> float:
    """The mean of flags; 0 of none."""
    return float(flags.float().mean()) if flags.numel() else 0.0
