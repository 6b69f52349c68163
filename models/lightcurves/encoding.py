"""Epochs as tokens: what was measured, where in the spectrum, how it changed, and in the rest frame."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Columns of an epoch, as ``astrid_ml.datamodules.curve_features.features`` makes them.
COLUMNS = (
    "time", "asinh_time", "gap", "flux", "error", "snr", "detected", "log_wavelength",
    "has_previous", "change_snr", "change", "gap_in_band", "rate",
    "has_redshift", "luminosity", "rest_time", "log_rest_wavelength",
)  # fmt: skip
N_FEATURES = len(COLUMNS)
_AT = {name: number for number, name in enumerate(COLUMNS)}


class EpochEncoding(nn.Module):
    """Epochs with their wavelength on grids of Gaussians, observed and at rest, and brightness on the same grids.

    A band has no number: its place is its effective wavelength, so a survey with other bands is read as well. Flux
    times grid lets a network keep the brightness near each wavelength apart.

    Args:
        grid: Gaussians, evenly spaced in log wavelength, from 0.3 to 2.5 micrometres and at rest from 0.15 to 2.5.
    """

    observed: Tensor
    rest: Tensor

    def __init__(self, grid: int = 12) -> None:
        super().__init__()
        for name, low in (("observed", 0.3), ("rest", 0.15)):
            self.register_buffer(name, torch.linspace(math.log(low), math.log(2.5), grid), persistent=False)
        self.size = N_FEATURES + 5 * grid

    def forward(self, values: Tensor) -> Tensor:
        """(N, N_FEATURES) -> (N, size)."""
        known, luminosity = values[:, _AT["has_redshift"], None], values[:, _AT["luminosity"], None]
        near = _near(values[:, _AT["log_wavelength"], None], self.observed)
        at_rest = _near(values[:, _AT["log_rest_wavelength"], None], self.rest) * known
        flux, snr = values[:, _AT["flux"], None], values[:, _AT["snr"], None]
        return torch.cat([values, near, flux * near, snr * near, at_rest, luminosity * at_rest], dim=1)


def _near(place: Tensor, centres: Tensor) -> Tensor:
    """Gaussians of (N, 1) places about (G,) evenly spaced centres, as wide as their distance."""
    return torch.exp(-0.5 * ((place - centres) / (centres[1] - centres[0])) ** 2)
