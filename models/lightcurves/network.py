"""Networks on ragged light curves with static features: a GRU in the shape of ORACLE, a time-aware transformer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence


def pack(values: Tensor, lengths: Tensor) -> tuple[PackedSequence, Tensor]:
    """Flat epochs as a packed sequence, without padding in between.

    Args:
        values: (N, F) epochs of all objects, one object after the other.
        lengths: (B,) epochs of each object, at least 1.

    Returns:
        The packed sequence (longest first) and, for each object, its place in it.
    """
    order = torch.argsort(lengths, descending=True, stable=True)
    sorted_lengths = lengths[order]
    starts = (torch.cumsum(lengths, 0) - lengths)[order]
    steps = torch.arange(int(sorted_lengths[0]), device=values.device)[:, None]
    inside = steps < sorted_lengths[None, :]  # (T, B)
    rows = (starts[None, :] + steps)[inside]  # time-major
    packed = PackedSequence(values[rows], inside.sum(dim=1).cpu())
    return packed, torch.argsort(order)


def pad(values: Tensor, lengths: Tensor, length: int | None = None) -> tuple[Tensor, Tensor]:
    """Flat epochs as (B, T, F), zeros behind the end, and the mask (B, T) of real epochs.

    Args:
        values: (N, F).
        lengths: (B,).
        length: T; the longest by default. Longer objects lose their last epochs.
    """
    steps = torch.arange(length or int(lengths.max()), device=values.device)[None, :]
    inside = steps < lengths[:, None]
    starts = torch.cumsum(lengths, 0) - lengths
    rows = torch.where(inside, starts[:, None] + steps, 0)
    return values[rows] * inside[..., None], inside


class CurveGRU(nn.Module):
    """Two GRU layers and static features (the shape of ORACLE, arXiv:2501.01496), on packed sequences.

    Args:
        n_features: columns of an epoch.
        n_static: columns of the static features; 0 where there are none.
        n_nodes: logits.
        hidden: width of the GRU.
        latent: width of the last layer before the logits.
        dropout: before the logits.
    """

    def __init__(
        self, n_features: int, n_static: int, n_nodes: int, hidden: int = 100, latent: int = 64, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.gru = nn.GRU(n_features, hidden, num_layers=2)
        self.curve = nn.Sequential(nn.Linear(hidden, 100), nn.Tanh())
        self.static = nn.Sequential(nn.Linear(n_static, 32), nn.ReLU()) if n_static else None
        joined = 100 + (32 if n_static else 0)
        self.head = nn.Sequential(
            nn.Linear(joined, 100), nn.ReLU(), nn.Linear(100, latent), nn.ReLU(), nn.Dropout(dropout)
        )
        self.out = nn.Linear(latent, n_nodes)

    def forward(self, values: Tensor, lengths: Tensor, static: Tensor) -> Tensor:
        """Node logits (B, n_nodes) of epochs (N, F), lengths (B,) and static features (B, S)."""
        packed, place = pack(values, lengths)
        _, state = self.gru(packed)  # (2, B, hidden), longest first
        parts = [self.curve(state[-1][place])]
        if self.static is not None:
            parts.append(self.static(static))
        logits: Tensor = self.out(self.head(torch.cat(parts, dim=1)))
        return logits


class CurveTransformer(nn.Module):
    """Attention over epochs with time encoded by learned frequencies (in the manner of ATAT, arXiv:2405.03078).

    The first column of an epoch must be the time; flux and wavelength stand among the others.

    Args:
        n_features: columns of an epoch.
        n_static: columns of the static features.
        n_nodes: logits.
        width: of a token.
        heads: of attention.
        layers: encoder layers.
        frequencies: of the time encoding; periods from 1 to 2,000 days at the start.
        time_scale: days in one unit of the time column.
        dropout: in the encoder and before the logits.
    """

    def __init__(
        self,
        n_features: int,
        n_static: int,
        n_nodes: int,
        width: int = 96,
        heads: int = 4,
        layers: int = 2,
        frequencies: int = 24,
        time_scale: float = 100.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        periods = torch.logspace(0.0, math.log10(2000.0), frequencies)
        self.omega = nn.Parameter(2 * math.pi * time_scale / periods)
        self.embed = nn.Sequential(nn.Linear(n_features + 2 * frequencies, width), nn.GELU(), nn.Linear(width, width))
        self.whole = nn.Linear(n_static, width) if n_static else None
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, n_nodes))

    def forward(self, values: Tensor, lengths: Tensor, static: Tensor) -> Tensor:
        """Node logits (B, n_nodes) of epochs (N, F), lengths (B,) and static features (B, S)."""
        phase = values[:, :1] * self.omega
        tokens, inside = pad(self.embed(torch.cat([values, phase.sin(), phase.cos()], dim=1)), lengths)
        first = self.token.expand(len(lengths), 1, -1)
        if self.whole is not None:
            first = first + self.whole(static)[:, None]
        mask = torch.cat([torch.ones_like(inside[:, :1]), inside], dim=1)
        encoded = self.encoder(torch.cat([first.to(tokens.dtype), tokens], dim=1), src_key_padding_mask=~mask)
        logits: Tensor = self.out(encoded[:, 0])
        return logits
