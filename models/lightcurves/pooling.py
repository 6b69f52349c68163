"""What a curve has shown so far: the largest of each learned quantity, and weighted means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.lightcurves.packing import places

# Weights of the means are exponentials; beyond this their ratio no longer matters in float32.
_LARGEST = 8.0


class RunningPool(nn.Module):
    """Running maxima and running means of learned quantities, at every asked epoch; a causal set network.

    A recurrent state forgets and a classifier of light curves lives on extremes: how bright it was at most in each
    band, how fast it ever rose. A maximum keeps them exactly. Each group of means has weights of its own, learned
    from the epoch: a mean over detections, over red bands, over the brightest epochs.

    Args:
        size: columns of a token.
        width: quantities of each kind; a multiple of ``groups``.
        groups: of means with a weight of their own.
    """

    def __init__(self, size: int, width: int, groups: int = 8) -> None:
        super().__init__()
        self.groups, self.size = groups, 2 * width
        self.quantity = nn.Sequential(nn.Linear(size, width), nn.GELU(), nn.Linear(width, width))
        self.value, self.weight = nn.Linear(size, width), nn.Linear(size, groups)

    def forward(self, tokens: Tensor, lengths: Tensor, queries: Tensor) -> Tensor:
        """(B, Q, size): maxima, then means, over the first ``queries`` (B, Q) of each curve's tokens (N, size)."""
        owner, place, _ = places(lengths)
        shape = (len(lengths), int(lengths.max()))
        quantity = self.quantity(tokens)
        padded = quantity.new_full((*shape, quantity.shape[1]), -torch.inf)
        padded[owner, place] = quantity
        largest = _pick(torch.cummax(padded, dim=1).values, queries)
        weight = torch.exp(self.weight(tokens).float().clamp(-_LARGEST, _LARGEST))
        value = self.value(tokens).float().unflatten(1, (self.groups, -1)) * weight[..., None]
        summed = weight.new_zeros((*shape, value[0].numel() + self.groups))
        summed[owner, place] = torch.cat([value.flatten(1), weight], dim=1)
        running = _pick(torch.cumsum(summed, dim=1), queries)
        means = running[..., : -self.groups] / running[..., -self.groups :].repeat_interleave(value.shape[2], dim=2)
        return torch.cat([largest, means.to(largest.dtype)], dim=2)


def _pick(running: Tensor, queries: Tensor) -> Tensor:
    """(B, Q, F) of (B, T, F) after so many epochs."""
    return torch.gather(running, 1, (queries - 1)[..., None].expand(-1, -1, running.shape[2]))
