"""A block of causal attention."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


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
