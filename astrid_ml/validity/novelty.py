"""How new a curve is: its distance from every class in what the network knows, as a p-value at its age."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Floats, Ints

COLUMN = "novelty_p"
LEAST = 30  # answers of validation from which a p-value can be told
EACH = 200  # answers of validation in a bin of ages, at least
BINS = 8
ARRAYS = {"centres": 2, "axes": 3, "distances": 1, "volumes": 1}
# Records before had one covariance for all classes, and no volumes.
OLDER = {"centres": 2, "axes": 2, "distances": 1}


def fit_novelty(
    train: Floats, classes: Ints, validation: Floats, ages: Floats, least: int = LEAST
) -> dict[str, Any] | None:
    """The classes' places and spread, and how far validation lies from them at each age.

    Each class is a Gaussian of its own mean and covariance; the distance is -2 log of the density of the class that is
    nearest by it, but for a constant. One covariance for all (Lee et al. 2018, arXiv:1807.03888) is that of the widest
    classes: what lies beside a narrow one then looks known. A class of n answers in D directions has n parts of its own
    covariance and D of the common one within classes; both are shrunk towards a sphere (Ledoit and Wolf 2004,
    doi:10.1016/S0047-259X(03)00096-4).

    Args:
        train: (n, D) what the network knows of training answers.
        classes: (n,) codes of their classes.
        validation: (m, D) of answers that it was not trained on.
        ages: (m,) days of what those have seen.
        least: answers of either below which there is none.

    Returns:
        Plain containers: ``centres`` (K, D), ``axes`` (K, D, D), ``volumes`` (K,) log-determinants, ``distances`` (m,)
        sorted within bins, ``edges`` (days between the bins) and ``counts``; None where there are too few.
    """
    import torch

    codes, counts = np.unique(classes, return_counts=True)
    codes = codes[counts >= 2]
    known = np.isin(classes, codes)
    if min(int(known.sum()), len(validation)) < least or not len(codes):
        return None
    train, place = train[known].astype(np.float64), np.searchsorted(codes, classes[known])
    centres = np.stack([train[place == number].mean(axis=0) for number in range(len(codes))])
    axes, volumes = _shapes(train - centres[place], place)
    plain: dict[str, Any] = {
        name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        for name, array in (("centres", centres), ("axes", axes), ("volumes", volumes))
    }
    edges = edges_of(ages)
    bins = np.searchsorted(edges, ages, side="right")
    found = distances_to(plain, validation)
    order = np.lexsort((found, bins))
    plain["distances"] = torch.from_numpy(found[order].astype(np.float32))
    return {
        **plain,
        "edges": [float(edge) for edge in edges],
        "counts": np.bincount(bins, minlength=len(edges) + 1).tolist(),
    }


def _shapes(within: Floats, place: Ints) -> tuple[Floats, Floats]:
    """Of each class what makes its answers a sphere, (K, D, D), and the log-determinant of its covariance, (K,).

    Args:
        within: (n, D) answers less the means of their classes.
        place: (n,) which class.
    """
    from sklearn.covariance import ledoit_wolf

    scale = np.maximum(within.std(axis=0), 1e-6)
    within = within / scale
    common, _ = ledoit_wolf(within, assume_centered=True)
    axes, volumes = [], []
    for number in range(int(place.max()) + 1):
        own = within[place == number]
        covariance, _ = ledoit_wolf(own, assume_centered=True)
        share = len(own) / (len(own) + own.shape[1])
        spread, vectors = np.linalg.eigh(share * covariance + (1 - share) * common)
        spread = np.maximum(spread, 1e-9)
        axes.append(vectors / np.sqrt(spread) / scale[:, None])
        volumes.append(np.log(spread).sum())
    return np.stack(axes), np.array(volumes)


def edges_of(ages: Floats) -> Floats:
    """Ages between bins of about equal numbers, each of ``EACH`` answers or more, ``BINS`` at most."""
    bins = int(np.clip(len(ages) // EACH, 1, BINS))
    edges = np.unique(np.quantile(ages, np.arange(1, bins) / bins)) if bins > 1 else np.zeros(0)
    out: Floats = edges[edges > ages.min()] if len(ages) else edges  # no bin is empty
    return out


def distances_to(plain: Mapping[str, Any], known: Floats) -> Floats:
    """(n, D) -> (n,), the distance to the nearest class: see :func:`fit_novelty`; of older records Mahalanobis's.

    Args:
        plain: what :func:`fit_novelty` gave.
        known: what the same network knows of the answers.

    Raises:
        UserError: the record is of another network.
    """
    centres, axes = (plain[name].numpy().astype(np.float64) for name in ("centres", "axes"))
    if known.shape[1:] != centres.shape[1:]:
        got = f"{known.shape[1:]} numbers an answer for classes of {centres.shape[1:]}"
        raise UserError("a novelty of this network", got, "give the best.ckpt of a run")
    out: Floats = np.full(len(known), np.inf)
    if "volumes" not in plain:
        for centre in centres:
            out = np.minimum(out, np.linalg.norm((known - centre) @ axes, axis=1))
        return out
    for centre, own, volume in zip(centres, axes, plain["volumes"].numpy().astype(np.float64), strict=True):
        out = np.minimum(out, (((known - centre) @ own) ** 2).sum(axis=1) + volume)
    return out


def p_values(plain: Mapping[str, Any], known: Floats, ages: Floats) -> Floats:
    """The share of validation answers of that age that lie as far from every class, (n,); one of n + 1 at least.

    Of answers like those of validation it is uniform: below 0.05 lie 5 % of them.

    Args:
        plain: what :func:`fit_novelty` gave.
        known: (n, D).
        ages: (n,) days of what the answers have seen.
    """
    found = distances_to(plain, known).astype(np.float32)
    bins = np.searchsorted(np.asarray(plain["edges"]), ages, side="right")
    ends = np.concatenate([[0], np.cumsum(plain["counts"])])
    distances, out = plain["distances"].numpy(), np.ones(len(found))
    for number in np.unique(bins):
        here, own = bins == number, distances[ends[number] : ends[number + 1]]
        farther = len(own) - np.searchsorted(own, found[here], side="left")
        out[here] = (farther + 1) / (len(own) + 1)
    return out


def checked_novelty(plain: Any) -> str:
    """What is wrong with what a file holds of it; empty where nothing is."""
    import torch

    if plain is None:
        return ""
    arrays = ARRAYS if isinstance(plain, dict) and "volumes" in plain else OLDER
    if not isinstance(plain, dict) or set(plain) != {*arrays, "edges", "counts"}:
        return "a novelty that is none"
    for name, dimensions in arrays.items():
        value = plain[name]
        if not isinstance(value, torch.Tensor) or value.ndim != dimensions or not value.is_floating_point():
            return f"a novelty without {name}"
        if not bool(value.isfinite().all()) or not value.numel():
            return f"a novelty whose {name} is no number"
    width = plain["centres"].shape[1]
    edges, counts = plain["edges"], plain["counts"]
    classes = len(plain["centres"])
    shapes = (width, width) if arrays is OLDER else (classes, width, width)
    if plain["axes"].shape != shapes or (arrays is ARRAYS and len(plain["volumes"]) != classes):
        return "a novelty of other classes"
    if not isinstance(edges, list) or not isinstance(counts, list):
        return "a novelty of other numbers"
    real = all(isinstance(edge, float) and np.isfinite(edge) for edge in edges) and edges == sorted(edges)
    whole = all(type(count) is int and count > 0 for count in counts) and len(counts) == len(edges) + 1
    return "" if real and whole and sum(counts) == len(plain["distances"]) else "a novelty without bins of ages"
