"""From what a network knows at a question to the brightness of an epoch that it has not seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

WAVES = 12  # Gaussians over wavelength
PERIODS = 8  # days, from 1 to 300, of the phases that tell when the epoch is
_LEAST = 0.02  # of the spread, in asinh of a flux


class EpochDecoder(nn.Module):
    """Asks what is known after a question for the flux at a time, a wavelength and an error: a mean and a spread.

    Args:
        known: columns of what is known at a question.
        width: of the hidden layers.
    """

    waves: Tensor
    omega: Tensor

    def __init__(self, known: int, width: int = 64) -> None:
        super().__init__()
        self.register_buffer("waves", torch.linspace(math.log(0.3), math.log(2.5), WAVES), persistent=False)
        periods = torch.logspace(0, math.log10(300.0), PERIODS)
        self.register_buffer("omega", 2 * math.pi / periods, persistent=False)
        self.known = nn.Linear(known, width)
        self.asked = nn.Linear(5 + WAVES + 2 * PERIODS, width)
        self.layers = nn.Sequential(nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2))

    def forward(self, known: Tensor, elapsed: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of asinh(flux / scale) of each epoch at each question, both (B, Q, T).

        Args:
            known: (B, Q, K).
            elapsed: (B, Q) days that have passed at each question.
            targets: (B, T, 5): days, flux, error, wavelength, known; the flux is not looked at.
        """
        days, error, wave = targets[..., 0], targets[..., 2], targets[..., 3].log()
        near = torch.exp(-0.5 * ((wave[..., None] - self.waves) / (self.waves[1] - self.waves[0])) ** 2)
        phase = days[..., None] * self.omega
        about = [days[..., None] / 100, torch.asinh(days)[..., None] / 4, error.clamp(1e-3, 1e7).log10()[..., None] - 1]
        of_target = torch.cat([*about, near, phase.sin(), phase.cos()], dim=2)
        ahead = days[:, None, :] - elapsed[:, :, None]  # (B, Q, T)
        of_both = torch.stack([torch.asinh(ahead) / 4, (ahead > 0).to(ahead.dtype)], dim=3)
        shape = (-1, ahead.shape[1], -1, -1)
        told = torch.cat([of_target[:, None].expand(shape), of_both], dim=3)
        mean, spread = self.layers(self.known(known)[:, :, None] + self.asked(told.to(known.dtype))).unbind(dim=3)
        return mean.float(), softplus(spread.float()) + _LEAST
