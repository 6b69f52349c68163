"""Questions about curves: which epochs may be seen at each day."""

from __future__ import annotations

import torch
from torch import Tensor

from astrid_ml.types import Floats32, Ints


def ask(epochs: Tensor, lengths: Tensor, days: Tensor, forced: bool = False) -> tuple[Tensor, Tensor]:
    """What may be seen at each day: epochs up to the last detection by then, one at least.

    Args:
        epochs: (N, 5), ascending in time within an object: days since time zero, flux, error, detected, wavelength.
        lengths: (B,).
        days: (Q,); infinity asks for the whole curve, at the time of the last epoch that may be seen.
        forced: all epochs by then may be seen.

    Returns:
        Numbers of epochs (B, Q), and the days since time zero that have passed (B, Q).
    """
    n = len(lengths)
    owner = torch.repeat_interleave(torch.arange(n), lengths)
    starts = torch.cumsum(lengths, 0) - lengths
    place = torch.arange(len(epochs)) - starts[owner] + 1
    counts = place if forced else place * (epochs[:, 3] > 0)  # epochs up to here, where here is a detection
    seen = torch.ones((n, len(days)), dtype=torch.int64)
    for column, day in enumerate(days.tolist()):
        here = torch.where(epochs[:, 0] <= day, counts, 0)
        seen[:, column] = torch.zeros(n, dtype=torch.int64).scatter_reduce(0, owner, here, "amax").clamp(min=1)
    last = epochs[(starts + seen.max(dim=1).values - 1), 0].clamp(min=0.0)
    return seen, torch.where(torch.isfinite(days), days, last[:, None])


def followed(epochs: Floats32, offsets: Ints) -> bool:
    """Whether any of these curves goes on after its last detection."""
    return bool((epochs[offsets[1:] - 1, 3] == 0).any()) if len(epochs) else False


def last_seen(epochs: Tensor, lengths: Tensor, queries: Tensor) -> Tensor:
    """Days since time zero of the last epoch that each question sees, (B, Q); 0 before time zero."""
    starts = torch.cumsum(lengths, 0) - lengths
    return epochs[starts[:, None] + queries - 1, 0].clamp(min=0.0)


def shorten(epochs: Tensor, lengths: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The first ``kept`` (B,) epochs of each object of ``lengths`` (B,)."""
    starts = torch.cumsum(lengths, 0) - lengths
    place = torch.arange(len(epochs)) - torch.repeat_interleave(starts, lengths)
    return epochs[place < torch.repeat_interleave(kept, lengths)], kept
