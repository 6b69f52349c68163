"""Networks on ragged light curves with static features, both causal: a GRU in the shape of ORACLE, a transformer.

Each answers many questions about an object in one pass: its state after the first k epochs, for every k that is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear, scaled_dot_product_attention
from torch.nn.utils.rnn import PackedSequence

from astrid_ml.taxonomy import load_taxonomy

# Columns of an epoch: time / 100 d, asinh time, log gap, asinh flux, log error, asinh S/N, detected, log wavelength.
N_FEATURES = 8
_FLUX, _SNR, _WAVE = 3, 5, 7
# Attention pads: objects of like length go together, in so many pieces of a batch.
PIECES = 8


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
        return _scan(gru, packed.data, packed.batch_sizes.tolist())


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


class EpochEncoding(nn.Module):
    """Epochs with their wavelength on a grid of Gaussians, and flux and S/N on the same grid.

    A band has no number: its place is its effective wavelength, so a survey with other bands is read as well. Flux
    times grid lets a recurrent state keep the brightness near each wavelength apart.

    Args:
        grid: Gaussians, evenly spaced in log wavelength from 0.3 to 2.5 micrometres.
    """

    centres: Tensor

    def __init__(self, grid: int = 12) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(math.log(0.3), math.log(2.5), grid), persistent=False)
        self.width = math.log(2.5 / 0.3) / (grid - 1)
        self.size = N_FEATURES + 3 * grid

    def forward(self, values: Tensor) -> Tensor:
        """(N, N_FEATURES) -> (N, size)."""
        near = torch.exp(-0.5 * ((values[:, _WAVE, None] - self.centres) / self.width) ** 2)
        return torch.cat([values, near, values[:, _FLUX, None] * near, values[:, _SNR, None] * near], dim=1)


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
        """(B, Q, n_nodes).

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
        out: Tensor = self.layers(torch.cat(parts, dim=2))
        return out


class CurveGRU(nn.Module):
    """GRU layers and static features (the shape of ORACLE, arXiv:2501.01496), on packed sequences.

    Args:
        static: names of the static columns; each gives a value and a flag.
        taxonomy: the tree whose nodes get logits.
        hidden: width of the GRU.
        layers: of the GRU.
        latent: width of the head.
        dropout: between the layers and in the head.
        grid: of the wavelengths.
    """

    def __init__(
        self,
        static: Sequence[str],
        taxonomy: str,
        hidden: int = 128,
        layers: int = 2,
        latent: int = 128,
        dropout: float = 0.2,
        grid: int = 12,
    ) -> None:
        super().__init__()
        self.encode = EpochEncoding(grid)
        between = dropout if layers > 1 else 0.0
        self.gru = nn.GRU(self.encode.size, hidden, num_layers=layers, dropout=between)
        self.head = QueryHead(hidden, 2 * len(static), len(load_taxonomy(taxonomy).nodes), latent, dropout)

    def forward(self, values: Tensor, lengths: Tensor, static: Tensor, queries: Tensor, elapsed: Tensor) -> Tensor:
        """Node logits (B, Q, n_nodes).

        Args:
            values: (N, N_FEATURES) epochs, one object after the other.
            lengths: (B,) epochs of each object.
            static: (B, S).
            queries: (B, Q) how many epochs each question may see, from 1 to the object's length.
            elapsed: (B, Q) days since time zero at each question.
        """
        packed, place = pack(self.encode(values), lengths)
        states = scan(self.gru, packed) if values.device.type == "cpu" and self.training else self.gru(packed)[0].data
        sizes = packed.batch_sizes.to(values.device)
        begins = torch.cumsum(sizes, 0) - sizes  # of each time step in the packed data
        found = states[begins[queries - 1] + place[:, None]]
        out: Tensor = self.head(found, static, elapsed, queries)
        return out


class CausalBlock(nn.Module):
    """Attention over the epochs so far, then a small network; normalised before each (pre-norm).

    Args:
        width: of a token.
        heads: of attention.
        dropout: after each part.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) -> (B, T, width)."""
        q, k, v = self.project(self.norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(q, k, v, is_causal=True)  # padding lies behind, so nobody looks at it
        x = x + self.drop(self.join(seen.transpose(1, 2).flatten(2)))
        out: Tensor = x + self.drop(self.feed(self.norm_after(x)))
        return out


class CurveTransformer(nn.Module):
    """Causal attention over epochs, time encoded by learned frequencies (in the manner of ATAT, arXiv:2405.03078).

    Args:
        static: names of the static columns; each gives a value and a flag.
        taxonomy: the tree whose nodes get logits.
        width: of a token.
        heads: of attention.
        layers: blocks.
        frequencies: of the time encoding; periods from 0.5 to 2,000 days at the start.
        latent: width of the head.
        dropout: in the blocks and the head.
        grid: of the wavelengths.
    """

    def __init__(
        self,
        static: Sequence[str],
        taxonomy: str,
        width: int = 96,
        heads: int = 4,
        layers: int = 2,
        frequencies: int = 24,
        latent: int = 128,
        dropout: float = 0.1,
        grid: int = 12,
    ) -> None:
        super().__init__()
        self.encode = EpochEncoding(grid)
        periods = torch.logspace(math.log10(0.5), math.log10(2000.0), frequencies)
        self.omega = nn.Parameter(2 * math.pi * 100 / periods)  # the time column counts hundreds of days
        self.embed = nn.Sequential(
            nn.Linear(self.encode.size + 2 * frequencies, width), nn.GELU(), nn.Linear(width, width)
        )
        n_static = 2 * len(static)
        self.whole = nn.Linear(n_static, width) if n_static else None
        self.blocks = nn.Sequential(*(CausalBlock(width, heads, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = QueryHead(width, n_static, len(load_taxonomy(taxonomy).nodes), latent, dropout)

    def forward(self, values: Tensor, lengths: Tensor, static: Tensor, queries: Tensor, elapsed: Tensor) -> Tensor:
        """Node logits (B, Q, n_nodes); see :meth:`CurveGRU.forward`."""
        phase = values[:, :1] * self.omega
        tokens = self.embed(torch.cat([self.encode(values), phase.sin(), phase.cos()], dim=1))
        if self.whole is not None:
            tokens = tokens + torch.repeat_interleave(self.whole(static), lengths, dim=0)
        order = torch.argsort(lengths, stable=True)
        pieces = [self._states(tokens, lengths, queries, objects) for objects in order.chunk(PIECES)]
        states = torch.cat(pieces)[torch.argsort(order)]
        out: Tensor = self.head(states, static, elapsed, queries)
        return out

    def _states(self, tokens: Tensor, lengths: Tensor, queries: Tensor, objects: Tensor) -> Tensor:
        """(b, Q, width) states of some objects, padded to the longest of them only."""
        starts = (torch.cumsum(lengths, 0) - lengths)[objects]
        steps = torch.arange(int(lengths[objects].max()), device=tokens.device)[None, :]
        rows = torch.where(steps < lengths[objects][:, None], starts[:, None] + steps, 0)
        encoded: Tensor = self.norm(self.blocks(tokens[rows]))  # what padding holds, nobody looks at: it lies behind
        picked = (queries[objects] - 1)[..., None].expand(-1, -1, encoded.shape[2])
        return torch.gather(encoded, 1, picked)
