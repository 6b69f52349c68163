"""Networks on ragged light curves with static features, all causal: a GRU in the shape of ORACLE, a transformer.

Each answers many questions about an object in one pass: what is known after the first k epochs, for every k asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from astrid_ml.errors import UserError
from astrid_ml.models.lightcurves.attention import CausalBlock
from astrid_ml.models.lightcurves.encoding import EpochEncoding
from astrid_ml.models.lightcurves.head import QueryHead
from astrid_ml.models.lightcurves.packing import pack, places, scan
from astrid_ml.models.lightcurves.pooling import RunningPool
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import Count, Decay

# Attention pads: objects of like length go together, in so many pieces of a batch.
PIECES = 8


class CurveNetwork(nn.Module):
    """Tokens -> states of the sequence so far -> running extremes and means of both -> node logits.

    A subclass gives ``states``. The static features enter twice: each token is told whose it is (a flux means another
    thing at another redshift), and the head sees them.

    Args:
        static: names of the static columns; each gives a value and a flag.
        taxonomy: the tree whose nodes get logits.
        width: of a token and of the running extremes and means.
        state: width of a state.
        latent: width of the head.
        dropout: in the head.
        grid: of the wavelengths.
        extra: columns of a token beside its encoding.
        features: what is computed of a curve at each question, which the head sees too; None for nothing.
    """

    def __init__(
        self,
        static: Sequence[str],
        taxonomy: str,
        width: int,
        state: int,
        latent: int,
        dropout: float,
        grid: int,
        extra: int = 0,
        features: CurveFeatures | None = None,
    ) -> None:
        super().__init__()
        n_static = 2 * len(static)
        self.encode = EpochEncoding(grid)
        self.measured = nn.Linear(self.encode.size + extra, width)
        self.whose = nn.Sequential(nn.Linear(n_static, 64), nn.GELU(), nn.Linear(64, width)) if n_static else None
        self.token = nn.Sequential(nn.GELU(), nn.Linear(width, width))
        self.pool = RunningPool(width + state, width)
        self.norm = nn.LayerNorm(state + self.pool.size)
        nodes = len(load_taxonomy(taxonomy).nodes)
        self.computed = features_branch(2 * len(features.names), latent, dropout) if features else None
        seen = state + self.pool.size + (latent if features else 0)
        self.head = QueryHead(seen, n_static, nodes, latent, dropout)

    def states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, state): what is kept of each curve after each of its epochs.

        Args:
            tokens: (N, width).
            lengths: (B,).
        """
        raise TypeError(f"{type(self).__name__} must define states")

    def layers_in_order(self) -> list[nn.Module]:
        """See :class:`astrid_ml.contracts.told.OrdersLayers`: what reads the sequence stands before the head."""
        return [part for part in self.children() if part is not self.head] + [self.head]

    def adopted(self, given: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """See :class:`astrid_ml.contracts.told.Adopts`: a network without features, which are not heeded at first."""
        own, first = self.state_dict(), "head.layers.0.weight"
        branch = {key for key in own if key.startswith("computed.")}
        if not branch or given.keys() != own.keys() - branch or len(given[first]) != len(own[first]):
            return None
        before, latent = self.norm.normalized_shape[0], own[first].shape[1] - given[first].shape[1]
        unheeded = given[first].new_zeros(len(given[first]), latent)
        return {**given, first: torch.cat([given[first][:, :before], unheeded, given[first][:, before:]], dim=1)}

    def more(self, values: Tensor) -> list[Tensor]:
        """Further columns of the tokens (N, extra)."""
        return []

    def forward(
        self,
        values: Tensor,
        lengths: Tensor,
        static: Tensor,
        queries: Tensor,
        elapsed: Tensor,
        features: Tensor | None = None,
    ) -> Tensor:
        """Node logits (B, Q, n_nodes).

        Args:
            values: (N, N_FEATURES) epochs, one object after the other.
            lengths: (B,) epochs of each object.
            static: (B, S).
            queries: (B, Q) how many epochs each question may see, from 1 to the object's length.
            elapsed: (B, Q) days since time zero at each question.
            features: (B, Q, 2 F) what is computed of the epochs at each question, of a network that asks for it.
        """
        out: Tensor = self.head(self.read(values, lengths, static, queries, features), static, elapsed, queries)
        return out

    def embed_curves(
        self,
        values: Tensor,
        lengths: Tensor,
        static: Tensor,
        queries: Tensor,
        elapsed: Tensor,
        features: Tensor | None = None,
    ) -> Tensor:
        """What the last layer sees when each object is asked last, (B, latent); arguments as of ``forward``."""
        last = queries.argmax(dim=1, keepdim=True)
        seen, when = queries.gather(1, last), elapsed.gather(1, last)
        if features is not None:
            features = features.gather(1, last[..., None].expand(-1, -1, features.shape[2]))
        return self.head.known(self.read(values, lengths, static, seen, features), static, when, seen)[:, 0]

    def embed_questions(
        self,
        values: Tensor,
        lengths: Tensor,
        static: Tensor,
        queries: Tensor,
        elapsed: Tensor,
        features: Tensor | None = None,
    ) -> Tensor:
        """What the last layer sees at each question, (B, Q, latent); arguments as of ``forward``."""
        return self.head.known(self.read(values, lengths, static, queries, features), static, elapsed, queries)

    def read(
        self, values: Tensor, lengths: Tensor, static: Tensor, queries: Tensor, features: Tensor | None = None
    ) -> Tensor:
        """(B, Q, width): what is kept of each curve at each question; arguments as of ``forward``.

        Raises:
            UserError: the batches have no features where the network asks for them.
        """
        tokens = self.measured(torch.cat([self.encode(values), *self.more(values)], dim=1))
        if self.whose is not None:
            tokens = tokens + torch.repeat_interleave(self.whose(static).to(tokens.dtype), lengths, dim=0)
        tokens = self.token(tokens)
        states = self.states(tokens, lengths)
        starts = torch.cumsum(lengths, 0) - lengths
        seen = self.pool(torch.cat([tokens, states.to(tokens.dtype)], dim=1), lengths, queries)
        found = torch.cat([states[starts[:, None] + queries - 1].to(seen.dtype), seen], dim=2)
        out: Tensor = self.norm(found)
        if self.computed is None:
            return out
        if features is None:
            raise UserError(
                "batches with the features that the network asks for",
                "no datamodule.curve_features",
                "choose model=lightcurve_hybrid, which sets both",
            )
        return torch.cat([out, self.computed(features).to(out.dtype)], dim=2)


def features_branch(columns: int, latent: int, dropout: float) -> nn.Sequential:
    """(B, Q, columns) -> (B, Q, latent)."""
    return nn.Sequential(
        nn.Linear(columns, latent), nn.GELU(), nn.Dropout(dropout), nn.Linear(latent, latent), nn.LayerNorm(latent)
    )


class CurveGRU(CurveNetwork):
    """GRU layers on packed sequences (the shape of ORACLE, arXiv:2501.01496) with running extremes and means.

    Args:
        static: names of the static columns; each gives a value and a flag.
        taxonomy: the tree whose nodes get logits.
        width: of a token.
        hidden: width of the GRU.
        layers: of the GRU.
        latent: width of the head.
        dropout: between the layers and in the head.
        grid: of the wavelengths.
        features: what is computed of a curve at each question, which the head sees too; None for nothing.
    """

    def __init__(
        self,
        static: Sequence[str],
        taxonomy: str,
        width: Count = 96,
        hidden: Count = 96,
        layers: Count = 1,
        latent: Count = 192,
        dropout: Decay = 0.2,
        grid: Count = 12,
        features: CurveFeatures | None = None,
    ) -> None:
        super().__init__(static, taxonomy, width, hidden, latent, dropout, grid, features=features)
        self.gru = nn.GRU(width, hidden, num_layers=layers, dropout=dropout if layers > 1 else 0.0)

    def states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, hidden)."""
        packed, order = pack(tokens, lengths)
        states = scan(self.gru, packed) if tokens.device.type == "cpu" and self.training else self.gru(packed)[0].data
        sizes = packed.batch_sizes.to(tokens.device)
        begins = torch.cumsum(sizes, 0) - sizes  # of each time step in the packed data
        owner, place, _ = places(lengths)
        return states[begins[place] + order[owner]]


class CurveTransformer(CurveNetwork):
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
        features: what is computed of a curve at each question, which the head sees too; None for nothing.
    """

    def __init__(
        self,
        static: Sequence[str],
        taxonomy: str,
        width: Count = 96,
        heads: Count = 4,
        layers: Count = 2,
        frequencies: Count = 24,
        latent: Count = 192,
        dropout: Decay = 0.2,
        grid: Count = 12,
        features: CurveFeatures | None = None,
    ) -> None:
        super().__init__(static, taxonomy, width, width, latent, dropout, grid, 2 * frequencies, features)
        periods = torch.logspace(math.log10(0.5), math.log10(2000.0), frequencies)
        self.omega = nn.Parameter(2 * math.pi * 100 / periods)  # the time column counts hundreds of days
        self.blocks = nn.Sequential(*(CausalBlock(width, heads, dropout) for _ in range(layers)))
        self.last = nn.LayerNorm(width)

    def more(self, values: Tensor) -> list[Tensor]:
        """Sine and cosine of the time at each frequency."""
        phase = values[:, :1] * self.omega
        return [phase.sin(), phase.cos()]

    def states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, width)."""
        order = torch.argsort(lengths, stable=True)
        starts = torch.cumsum(lengths, 0) - lengths
        rows, states = [], []
        for objects in order.chunk(PIECES):
            inside = torch.arange(int(lengths[objects].max()), device=tokens.device) < lengths[objects][:, None]
            here = (starts[objects][:, None] + torch.arange(inside.shape[1], device=tokens.device))[inside]
            padded = tokens.new_zeros((*inside.shape, tokens.shape[1]))
            padded[inside] = tokens[here]  # what padding holds, nobody looks at: it lies behind
            states.append(self.blocks(padded)[inside])
            rows.append(here)
        out: Tensor = self.last(torch.cat(states)[torch.argsort(torch.cat(rows))])
        return out
