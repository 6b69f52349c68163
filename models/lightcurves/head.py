"""The last layers of a light-curve network: what the curve, the object and the clock say about each node."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class QueryHead(nn.Module):
    """From a state, the static features and the days that have passed to node logits.

    Args:
        width: of the state.
        n_static: columns of the static features; 0 where there are none.
        n_nodes: logits.
        latent: width of the hidden layers.
        dropout: between them.
    """

    def __init__(self, width: int, n_static: int, n_nodes: int, latent: int, dropout: float) -> None:
        super().__init__()
        self.static = nn.Sequential(nn.Linear(n_static, latent), nn.GELU()) if n_static else None
        joined = width + 2 + (latent if n_static else 0)
        self.layers = nn.Sequential(
            nn.Linear(joined, latent), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(latent, latent), nn.GELU(), nn.Dropout(dropout), nn.Linear(latent, n_nodes),
        )  # fmt: skip

    def forward(self, states: Tensor, static: Tensor, elapsed: Tensor, seen: Tensor) -> Tensor:
        """(B, Q, n_nodes); see :meth:`known` for the arguments."""
        out: Tensor = self.layers[-1](self.known(states, static, elapsed, seen))
        return out

    def known(self, states: Tensor, static: Tensor, elapsed: Tensor, seen: Tensor) -> Tensor:
        """What the last layer sees, (B, Q, latent).

        Args:
            states: (B, Q, width).
            static: (B, S).
            elapsed: (B, Q) days since time zero.
            seen: (B, Q) epochs that the state has read.
        """
        clock = torch.stack([torch.log2(elapsed.clamp(1.0, 4096.0)) / 10, torch.log2(seen.float()) / 8], dim=2)
        parts = [states, clock.to(states.dtype)]
        if self.static is not None:
            parts.append(self.static(static)[:, None].expand(-1, states.shape[1], -1).to(states.dtype))
        out: Tensor = self.layers[:-1](torch.cat(parts, dim=2))
        return out
