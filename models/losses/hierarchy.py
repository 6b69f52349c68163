"""Weighted hierarchical cross-entropy (WHXE; Villar et al. 2023, arXiv:2312.02266; after Bertinetto et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from astrid_ml.taxonomy import Taxonomy


def sibling_log_softmax(logits: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """Log conditional probabilities log p(node | parent), each group of siblings normalised; the root's is 0.

    Args:
        logits: (B, n_nodes); bfloat16 and half are computed in float32.
        groups: places of siblings; together all nodes but the root (place 0).

    Returns:
        (B, n_nodes), float32 or the wider type of the logits.
    """
    wide = logits if logits.dtype == torch.float64 else logits.float()
    out = torch.zeros_like(wide)
    for group in groups:
        places = torch.as_tensor(group, device=wide.device)
        out = out.index_copy(1, places, torch.log_softmax(wide.index_select(1, places), dim=1))
    return out


def node_weights(counts: Tensor) -> Tensor:
    """Inverse-frequency weights w_n = N_all / (N_nodes N_n); 0 for nodes without a training object.

    Args:
        counts: (n_nodes,) training objects (not windows) at each node, descendants included; the root's is N_all.
    """
    weights = counts[0] / (len(counts) * counts.clamp(min=1))
    return torch.where(counts > 0, weights, torch.zeros_like(weights))


class WHXE(nn.Module):
    """Weighted hierarchical cross-entropy over a tree.

        L = -(1 / B) sum_b sum_n  w_n exp(-alpha d_n) y_bn log p(n | parent(n))

    with d_n the node's depth (the root's is 0), y_bn = 1 where n is the object's node or above it, p the softmax
    over siblings, and w_n of :func:`node_weights`. The logarithm is that of a log-softmax, so logits of any size give
    finite values and gradients. An object labelled at an inner node adds only the levels that are known.

    Args:
        taxonomy: the tree.
        alpha: how fast deeper levels lose weight; 0 weighs all levels alike.
        weighted: inverse-frequency weights from :meth:`set_counts`; without, nodes with training objects have 1.
    """

    weights: Tensor
    path: Tensor
    decay: Tensor

    def __init__(self, taxonomy: Taxonomy, alpha: float = 0.5, weighted: bool = True) -> None:
        super().__init__()
        self.groups, self.weighted = taxonomy.sibling_groups, weighted
        n = len(taxonomy.nodes)
        self.register_buffer("path", torch.from_numpy(taxonomy.ancestors.copy()), persistent=False)
        decay = np.exp(-alpha * taxonomy.depth)
        self.register_buffer("decay", torch.from_numpy(decay).float(), persistent=False)
        self.register_buffer("weights", torch.ones(n))

    def set_counts(self, nodes: Tensor) -> None:
        """Take the weights from the training objects' nodes, shape (n_objects,); -1 is passed over.

        A node without a training object has weight 0, also where all others have 1: it is :attr:`absent`.
        """
        counts = self.path[nodes[nodes >= 0]].sum(dim=0).double()
        weights = node_weights(counts) if self.weighted else (counts > 0).double()
        self.weights = weights.to(self.weights)

    @property
    def absent(self) -> Tensor:
        """(n_nodes,) nodes that no training object had: what the network says of them means nothing."""
        return self.weights == 0

    def forward(self, logits: Tensor, nodes: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: (B, n_nodes).
            nodes: (B,) int64 places of the objects' nodes.
        """
        log_p = sibling_log_softmax(logits, self.groups)
        factor = (self.weights * self.decay).to(log_p.dtype)
        return -(self.path[nodes].to(log_p.dtype) * log_p * factor).sum(dim=1).mean()
