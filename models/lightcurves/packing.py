"""Ragged curves as packed or padded sequences, and a GRU's states over them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear
from torch.nn.utils.rnn import PackedSequence


def places(lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of flat epochs: whose each is (N,), where it stands in its curve (N,), and where each curve begins (B,)."""
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    starts = torch.cumsum(lengths, 0) - lengths
    return owner, torch.arange(len(owner), device=lengths.device) - starts[owner], starts


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


def scan(gru: nn.GRU, packed: PackedSequence) -> Tensor:
    """The states of a GRU over a packed sequence, (N, hidden): what the module itself gives, on a processor.

    There the module slices each time step off the whole batch, and the gradient of every slice is as large as the
    batch: training takes a time that grows with the square of the length. Splitting once keeps it linear.
    """
    with torch.autocast("cpu", enabled=False):  # casting hundreds of small steps costs more than it saves
        return _scan(gru, packed.data.to(next(gru.parameters()).dtype), packed.batch_sizes.tolist())


def _scan(gru: nn.GRU, data: Tensor, sizes: list[int]) -> Tensor:
    for layer in range(gru.num_layers):
        from_input, bias = getattr(gru, f"weight_ih_l{layer}"), getattr(gru, f"bias_ih_l{layer}")
        recurrent, own = getattr(gru, f"weight_hh_l{layer}"), getattr(gru, f"bias_hh_l{layer}")
        hidden = gru.hidden_size
        if layer and gru.dropout:
            data = dropout(data, gru.dropout, gru.training)
        state, states = data.new_zeros(sizes[0], hidden), []
        for step in torch.split(linear(data, from_input, bias), sizes):
            state = state[: len(step)]
            given, new = torch.split(step, [2 * hidden, hidden], dim=1)
            kept, candidate = torch.split(linear(state, recurrent, own), [2 * hidden, hidden], dim=1)
            reset, update = torch.sigmoid(given + kept).chunk(2, dim=1)
            fresh = torch.tanh(torch.addcmul(new, reset, candidate))
            state = torch.lerp(fresh, state, update)
            states.append(state)
        data = torch.cat(states)
    return data
