"""Calibration of a tree's probabilities: each family of siblings by a small multinomial regression on its own logs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from astrid_ml.taxonomy import Taxonomy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Pulls towards "no change"; only families with few objects feel it.
RIDGE = 1.0
LONGEST = 1024.0


def clock(days: Floats) -> Floats:
    """log2 of days in [0, 1]; a window without end counts as the longest."""
    out: Floats = np.log2(np.clip(days, 1.0, LONGEST)) / np.log2(LONGEST)
    return out


def conditional_logs(p: Floats, group: list[int], parent: int) -> Floats:
    """log p(child | parent), shape (n, k)."""
    ratio = p[:, group] / np.maximum(p[:, [parent]], 1e-300)
    out: Floats = np.log(np.clip(ratio, 1e-12, 1.0))
    return out


def fit_nodes(tree: Taxonomy, p: Floats, nodes: Ints, days: Floats) -> dict[str, Any]:
    """Fit z_k = (s0 + s1 t) log p_k + b_k + c_k t for each family, t = log2(days) in [0, 1], by maximum likelihood.

    Only objects below the family's parent take part. The temperature, the offsets and their drift with time are
    what a weighted loss and an over-sure network need; the order of magnitude of the evidence stays the network's.

    Args:
        tree: the taxonomy.
        p: (n, n_nodes) consistent probabilities on validation.
        nodes: (n,) true places; -1 is passed over.
        days: (n,) windows.

    Returns:
        Name of the parent -> [s0, s1, b..., c...], plain lists.
    """
    out: dict[str, Any] = {}
    for siblings in tree.sibling_groups:
        group, parent = list(siblings), int(tree.parent[siblings[0]])
        k = len(group)
        below = (nodes >= 0) & tree.ancestors[nodes][:, group].any(axis=1)
        start = np.concatenate([[1.0, 0.0], np.zeros(2 * k)])
        if k > 1 and below.sum() > 0:
            y = tree.ancestors[nodes[below]][:, group].argmax(axis=1)
            start = _fit(conditional_logs(p[below], group, parent), y, clock(days[below]), start)
        out[tree.nodes[parent]] = start.tolist()
    return out


def _fit(logs: Floats, y: Ints, t: Floats, start: Floats) -> Floats:
    n, k = logs.shape
    hot = np.eye(k)[y]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        log_q = log_softmax(_logits(parameters, logs, t), axis=1)
        gap = np.exp(log_q) - hot  # (n, k)
        scale = (gap * logs).sum(axis=1)
        gradient = np.concatenate([[scale.sum(), (scale * t).sum()], gap.sum(axis=0), (gap * t[:, None]).sum(axis=0)])
        away = parameters - start
        return float((RIDGE * away @ away / 2 - (hot * log_q).sum()) / n), (gradient + RIDGE * away) / n

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    result: Floats = found.x
    return result


def _logits(parameters: Floats, logs: Floats, t: Floats) -> Floats:
    k = logs.shape[1]
    scale = parameters[0] + parameters[1] * t
    out: Floats = scale[:, None] * logs + parameters[2 : 2 + k] + parameters[2 + k :] * t[:, None]
    return out


def apply_nodes(tree: Taxonomy, p: Floats, days: Floats, parameters: dict[str, Any]) -> Floats:
    """Calibrated node probabilities, consistent again: children sum to their parent."""
    conditional, t = np.ones_like(p), clock(days)
    for siblings in tree.sibling_groups:
        group, parent = list(siblings), int(tree.parent[siblings[0]])
        logs = conditional_logs(p, group, parent)
        conditional[:, group] = np.exp(
            log_softmax(_logits(np.asarray(parameters[tree.nodes[parent]]), logs, t), axis=1)
        )
    return tree.probabilities(conditional)
