"""What a curve has shown so far: the largest of each learned quantity, and weighted means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from astrid_ml.errors import UserError

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
        if width % groups:
            raise UserError(
                f"model.network.width a multiple of {groups}", str(width), f"write {width + -width % groups}"
            )
        self.groups, self.size = groups, 2 * width
        self.quantity = nn.Sequential(nn.Linear(size, width), nn.GELU(), nn.Linear(width, width))
        self.value, self.weight = nn.Linear(size, width), nn.Linear(size, groups)

    def forward(self, tokens: Tensor, lengths: Tensor, queries: Tensor) -> Tensor:
        """(B, Q, size): maxima, then means, over the first ``queries`` (B, Q) of each curve's tokens (N, size)."""
        counts, rank = stretches(lengths, queries)
        quantity = self.quantity(tokens)
        largest = torch.segment_reduce(quantity, "max", lengths=counts, initial=-torch.inf, unsafe=True)
        weight = torch.exp(self.weight(tokens).float().clamp(-_LARGEST, _LARGEST))
        value = self.value(tokens).float().unflatten(1, (self.groups, -1)) * weight[..., None]
        weighted = torch.cat([value.flatten(1), weight], dim=1)
        owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
        summed = weighted.new_zeros((len(counts), weighted.shape[1])).index_add(0, owner, weighted)
        shape = (len(lengths), queries.shape[1] + 1, -1)
        largest = _pick(torch.cummax(largest.view(shape), dim=1).values, rank)
        running = _pick(torch.cumsum(summed.view(shape), dim=1), rank)
        means = running[..., : -self.groups] / running[..., -self.groups :].repeat_interleave(value.shape[2], dim=2)
        return torch.cat([largest, means.to(largest.dtype)], dim=2)


def stretches(lengths: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Cut each curve where a question is asked: what lies between two questions is reduced once for all later ones.

    Args:
        lengths: (B,).
        queries: (B, Q).

    Returns:
        Epochs in each stretch (B (Q + 1),), the last one behind all questions; and the stretch that ends at each
        question (B, Q).
    """
    asked, order = torch.sort(queries, dim=1)
    edges = torch.cat([asked.new_zeros(len(asked), 1), asked, lengths[:, None]], dim=1)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return torch.diff(edges, dim=1).flatten(), rank


def _pick(running: Tensor, rank: Tensor) -> Tensor:
    """(B, Q, F) of (B, Q + 1, F): what has run up to each question."""
    return torch.gather(running, 1, rank[..., None].expand(-1, -1, running.shape[2]))
