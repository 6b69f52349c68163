"""Calibration of a tree's probabilities: each family of siblings by a small multinomial regression on its own logs.

The scale and the offsets may drift with time; how far they may go from "no change" is chosen by cross-validation over
objects, so that a family with little to correct is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax

from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Floats, Ints, Mask

LONGEST = 1024.0
# Pulls towards "no change", in objects; infinity is no change at all.
RIDGES = (np.inf, 30.0, 3.0, 0.3)
# The pull on what drifts with time, relative to that on what does not.
DRIFT = 0.3
KNOTS = 6  # every second doubling of the days
PARTS = 4
LEAST = 1e-30  # of a child in a mean of logs: no model rules a class out for all others


def clock(days: Floats) -> Floats:
    """log2 of days in [0, 1]; what is longer than the longest window counts as that."""
    out: Floats = np.log2(np.clip(days, 1.0, LONGEST)) / np.log2(LONGEST)
    return out


def basis(t: Floats, knots: int = KNOTS) -> Floats:
    """(n, 1 + knots): a constant, and hats over evenly spaced knots of the clock that sum to 1."""
    place = np.clip(t, 0, 1) * (knots - 1)
    hats = np.clip(1 - np.abs(place[:, None] - np.arange(knots)), 0, None)
    return np.concatenate([np.ones((len(t), 1)), hats], axis=1)


def conditional_logs(p: Floats, group: list[int], parent: int, least: float = 1e-12) -> Floats:
    """log p(child | parent), shape (n, k); a probability below ``least`` counts as that."""
    ratio = p[:, group] / np.maximum(p[:, [parent]], 1e-300)
    out: Floats = np.log(np.clip(ratio, least, 1.0))
    return out


def fit_nodes(tree: Taxonomy, p: Floats, nodes: Ints, days: Floats, objects: Any) -> dict[str, Any]:
    """Fit z_k = s(t) log p_k + b_k(t) for each family, s and b piecewise linear in t = log2(days), by likelihood.

    Only objects below the family's parent take part, each with the weight of one however many windows it has. Children
    that training did not have take no part.

    Args:
        tree: the taxonomy.
        p: (n, n_nodes) consistent probabilities on validation.
        nodes: (n,) true places; -1 is passed over.
        days: (n,) windows.
        objects: (n,) whose rows these are.

    Returns:
        Name of the parent -> (1 + knots, 1 + k) values as lists: a row for each function of :func:`basis`, the scale
        first, then the offsets.
    """
    out: dict[str, Any] = {}
    codes, absent = pd.factorize(np.asarray(objects))[0], absent_nodes(p)
    for siblings in tree.sibling_groups:
        group, parent = list(siblings), int(tree.parent[siblings[0]])
        alive = [number for number, child in enumerate(group) if not absent[child]]
        known = [group[number] for number in alive]
        below = (nodes >= 0) & tree.ancestors[nodes][:, known].any(axis=1)
        fitted = unchanged(len(group))
        if len(known) > 1 and below.sum() > 0:
            y = tree.ancestors[nodes[below]][:, known].argmax(axis=1)
            family = Family(conditional_logs(p[below], known, parent), y, basis(clock(days[below])), codes[below])
            fitted[:, [0, *(1 + number for number in alive)]] = family.fit(family.best_ridge())
        out[tree.nodes[parent]] = fitted.tolist()
    return out


def absent_nodes(p: Floats) -> Mask:
    """(n, n_nodes) -> (n_nodes,): nodes to which a model gives nothing at all, since its training had none of them."""
    out: Mask = (p == 0).all(axis=0) if len(p) else np.zeros(p.shape[1], dtype=bool)
    return out


def unchanged(k: int) -> Floats:
    """Parameters that leave probabilities as they are."""
    out = np.zeros((1 + KNOTS, 1 + k))
    out[0, 0] = 1.0
    return out


class Family:
    """The validation rows of one family of siblings.

    Args:
        logs: (n, k) log conditional probabilities.
        y: (n,) true children.
        functions: (n, 1 + knots) of :func:`basis`.
        objects: (n,) codes.
    """

    def __init__(self, logs: Floats, y: Ints, functions: Floats, objects: Ints) -> None:
        self.logs, self.y, self.functions, self.objects = logs, y, functions, pd.factorize(objects)[0]
        counts = np.bincount(self.objects)
        self.weight = 1.0 / counts[self.objects]

    def best_ridge(self) -> float:
        """The strongest pull whose held-out loss is within one standard error of the least."""
        part = np.random.default_rng(0).permutation(int(self.objects.max()) + 1)[self.objects] % PARTS
        if len(np.unique(part)) < PARTS:
            return RIDGES[0]
        losses = np.stack([self._held_out(ridge, part) for ridge in RIDGES])  # (ridges, objects)
        mean, best = losses.mean(axis=1), int(losses.mean(axis=1).argmin())
        for number, ridge in enumerate(RIDGES):
            gap = losses[number] - losses[best]
            if mean[number] - mean[best] <= gap.std() / np.sqrt(len(gap)):
                return ridge
        return RIDGES[best]

    def _held_out(self, ridge: float, part: Ints) -> Floats:
        """Loss of each object under the parameters of the other parts."""
        out = np.zeros(int(self.objects.max()) + 1)
        for number in range(PARTS):
            held = part == number
            parameters = self.fit(ridge, ~held)
            log_q = log_softmax(_logits(parameters, self.logs[held], self.functions[held]), axis=1)
            lost = -log_q[np.arange(int(held.sum())), self.y[held]] * self.weight[held]
            out += np.bincount(self.objects[held], weights=lost, minlength=len(out))
        return out

    def fit(self, ridge: float, chosen: Mask | None = None) -> Floats:
        """Parameters (1 + knots, 1 + k) of the least penalised loss over ``chosen`` rows."""
        start = unchanged(self.logs.shape[1])
        if not np.isfinite(ridge):
            return start
        rows = slice(None) if chosen is None else chosen
        logs, y, functions, weight = self.logs[rows], self.y[rows], self.functions[rows], self.weight[rows]
        hot = np.eye(logs.shape[1])[y]
        pull = ridge * np.where(np.arange(len(start)) == 0, 1.0, DRIFT)[:, None]

        def loss(flat: Floats) -> tuple[float, Floats]:
            parameters = flat.reshape(start.shape)
            log_q = log_softmax(_logits(parameters, logs, functions), axis=1)
            gap = (np.exp(log_q) - hot) * weight[:, None]
            slope = np.concatenate([(gap * logs).sum(axis=1, keepdims=True), gap], axis=1)
            away = parameters - start
            value = -(hot * log_q).sum(axis=1) @ weight + (pull * away**2).sum() / 2
            return float(value), (functions.T @ slope + pull * away).ravel()

        found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100})
        result: Floats = found.x.reshape(start.shape)
        return result


def _logits(parameters: Floats, logs: Floats, functions: Floats) -> Floats:
    at = functions @ parameters  # (n, 1 + k)
    out: Floats = at[:, :1] * logs + at[:, 1:]
    return out


def apply_nodes(
    tree: Taxonomy, p: Floats, days: Floats, parameters: dict[str, Any], absent: Sequence[str] = ()
) -> Floats:
    """Calibrated node probabilities, consistent again: children sum to their parent.

    Args:
        tree: the taxonomy.
        p: (n, n_nodes) consistent probabilities.
        days: (n,) as they were fitted.
        parameters: of :func:`fit_nodes`.
        absent: nodes that training did not have; they keep 0.
    """
    conditional, t = np.ones_like(p), clock(days)
    lost = np.isin(tree.nodes, list(absent))
    for siblings in tree.sibling_groups:
        group, parent = list(siblings), int(tree.parent[siblings[0]])
        logs = conditional_logs(p, group, parent)
        fitted = np.asarray(parameters[tree.nodes[parent]])
        z = _logits(fitted, logs, basis(t, len(fitted) - 1))  # a checkpoint's own knots
        if lost[group].any() and not lost[group].all():
            z[:, lost[group]] = -np.inf
        conditional[:, group] = np.exp(log_softmax(z, axis=1))
    return tree.probabilities(conditional)


def joined_nodes(tree: Taxonomy, parts: Iterable[Floats]) -> Floats:
    """Node probabilities of several models as one: in each family of siblings the mean of their log-probabilities.

    Of two siblings that is the mean of their log-odds; of more, that of the log-odds of any two of them. Each family
    adds up to 1 again, so children sum to their parent.

    Args:
        tree: the taxonomy.
        parts: (n, n_nodes) consistent probabilities of each model; one is looked at after the other.
    """
    total, count, absent = np.zeros((0, len(tree.nodes))), 0, np.ones(len(tree.nodes), dtype=bool)
    for p in parts:
        absent &= absent_nodes(p)
        logs = np.zeros(p.shape)
        for siblings in tree.sibling_groups:
            group = list(siblings)
            logs[:, group] = conditional_logs(p, group, int(tree.parent[group[0]]), LEAST)
        total, count = logs if count == 0 else total + logs, count + 1
    conditional = np.ones_like(total)
    for siblings in tree.sibling_groups:
        group = list(siblings)
        logs = total[:, group] / count
        if absent[group].any() and not absent[group].all():
            logs[:, absent[group]] = -np.inf  # no member knows them
        conditional[:, group] = np.exp(log_softmax(logs, axis=1))
    return tree.probabilities(conditional)
