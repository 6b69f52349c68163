"""How far a sample lies from those of training, in what the network knows before its last layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Array, Floats
from astrid_ml.validity.threshold import threshold_of

WIDTH, KEPT, NEIGHBOURS = 24, 2000, 5  # directions, samples of training, neighbours
LEAST = 30  # samples of validation from which a threshold can be chosen
INSIDE = 0.98  # share of validation that the threshold keeps
ARRAYS = {"mean": 1, "axes": 2, "reference": 2}


def fit_density(train: Floats, validation: Floats, labels: Array | None = None) -> dict[str, Any] | None:
    """The directions in which training samples spread, their places there, and the distance that is too far.

    Distance is the mean to the nearest neighbours of training (Sun et al. 2022, ICML, PMLR 162, 20827) after whitening
    on the first principal axes.

    Args:
        train: (n, D) what the network knows of training samples.
        validation: (m, D) of validation samples, which were not trained on.
        labels: (m,) theirs, of two classes, see :func:`astrid_ml.validity.threshold.threshold_of`.

    Returns:
        ``mean``, ``axes``, ``reference`` (tensors), ``threshold``, ``neighbours``; None where there are too few.
    """
    import torch

    if len(train) < LEAST or len(validation) < LEAST:
        return None
    kept = train[np.random.default_rng(0).permutation(len(train))[:KEPT]].astype(np.float64)
    mean = kept.mean(axis=0)
    _, spread, axes = np.linalg.svd(kept - mean, full_matrices=False)
    scale = spread / np.sqrt(len(kept))
    good = np.flatnonzero(scale > 1e-6 * max(float(scale[0]), 1e-12))[:WIDTH]
    if not len(good):
        return None
    whitened = (axes[good] / scale[good, None]).T
    reference = (kept - mean) @ whitened
    plain: dict[str, Any] = {"neighbours": min(NEIGHBOURS, len(reference))}
    for name, array in (("mean", mean), ("axes", whitened), ("reference", reference)):
        plain[name] = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    distances = distances_of({**plain, "threshold": 0.0}, validation)
    return {**plain, "threshold": threshold_of(distances, INSIDE, labels)}


def distances_of(plain: Mapping[str, Any], features: Floats) -> Floats:
    """(n, D) -> (n,); above ``threshold`` a sample is unlike those of training.

    Args:
        plain: what :func:`fit_density` gave.
        features: what the same network knows of the samples.

    Raises:
        UserError: the record is damaged, or of another network.
    """
    from scipy.spatial import cKDTree

    mean, axes, reference = (np.asarray(plain[name].numpy(), dtype=np.float64) for name in ARRAYS)
    if features.shape[1:] != mean.shape or axes.shape != (len(mean), reference.shape[1]):
        got = f"{features.shape[1:]} numbers a sample for a density of {mean.shape}"
        raise UserError("a density of this network", got, "give the best.ckpt of a run")
    if not len(features):
        return np.zeros(0)
    tree = cKDTree(reference)
    nearest, _ = tree.query((features.astype(np.float64) - mean) @ axes, k=int(plain["neighbours"]))
    out: Floats = np.asarray(nearest).reshape(len(features), -1).mean(axis=1)
    return out


def checked_density(plain: Any) -> str:
    """What is wrong with a density that a file holds; empty where nothing is."""
    import torch

    if plain is None:
        return ""
    wanted = {*ARRAYS, "threshold", "neighbours"}
    if not isinstance(plain, dict) or set(plain) != wanted:
        return "a density that is none"
    for name, dimensions in ARRAYS.items():
        value = plain[name]
        if not isinstance(value, torch.Tensor) or value.ndim != dimensions or not value.is_floating_point():
            return f"a density without {name}"
        if not bool(value.isfinite().all()) or not value.numel():
            return f"a density whose {name} is no number"
    numbers = (plain["threshold"], plain["neighbours"])
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in numbers):
        return "a density without threshold and neighbours"
    if not 0 <= plain["threshold"] < np.inf or not 1 <= plain["neighbours"] <= len(plain["reference"]):
        return "a density of other numbers"
    return ""
