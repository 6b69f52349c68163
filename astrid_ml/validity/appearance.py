"""Whether a stamp looks like any of training: plain statistics of its pixels, as the network gets them.

A network maps what it never saw, as blank stamps or noise, to the middle of what it knows: its own features cannot
tell. Statistics that need no network can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.stats import MAD_TO_SIGMA
from astrid_ml.types import Array, Floats, Mask
from astrid_ml.validity.threshold import threshold_of

INSIDE = 0.985  # share of validation that the threshold keeps
LEAST = 30  # stamps of validation from which a threshold can be chosen
SMALLEST = 8  # px on a side: smaller images have no structure to describe
RIDGE = 1e-3  # of a column's variance: statistics that agree in training may differ by so much
BRIGHT, CENTRE, FAR = 10, 3, 5.0  # pixels at either end; half the central box, px; sigmas
TINY = 1e-30
ARRAYS = {"mean": 1, "scale": 1, "axes": 2}


def appearance_of(images: Array) -> Floats:
    """Statistics of each channel that no change of unit or pedestal, and no turn by 90 degrees, alters.

    Of each channel: scatter and highest pixel over the robust scatter; correlation of neighbours along the axes, its
    difference between these, and along the diagonals; kurtosis and skewness; the balance of the brightest and the
    faintest pixels; the share of pixels beyond 5 sigma; mean and extreme of the centre.

    Args:
        images: (n, C, h, w), finite.

    Returns:
        (n, 11 C); of a blank channel finite numbers that no other has.
    """
    z = np.asarray(images, dtype=np.float64)
    pixels = z.shape[2] * z.shape[3]
    z = z - np.median(z.reshape(*z.shape[:2], pixels), axis=2)[:, :, None, None]
    largest = np.maximum(np.abs(z).max(axis=(2, 3), keepdims=True), TINY)
    z = z / largest  # whatever the unit, no power overflows
    flat = z.reshape(*z.shape[:2], pixels)
    squared = flat * flat  # numpy's powers above two are made by logarithms
    scatter = np.maximum(flat.std(axis=2), TINY)
    robust = np.maximum(MAD_TO_SIGMA * np.median(np.abs(flat), axis=2), 1e-6)
    few = min(BRIGHT, pixels // 4)
    ends = np.partition(flat, (few - 1, pixels - few), axis=2)
    high, low = ends[:, :, -few:].mean(axis=2), ends[:, :, :few].mean(axis=2)
    y, x = z.shape[2] // 2, z.shape[3] // 2
    centre = z[:, :, y - CENTRE : y + CENTRE + 1, x - CENTRE : x + CENTRE + 1]
    along, down, one, other = (
        product.mean(axis=(2, 3)) / scatter**2
        for product in (
            z[..., 1:] * z[..., :-1],
            z[..., 1:, :] * z[..., :-1, :],
            z[..., 1:, 1:] * z[..., :-1, :-1],
            z[..., 1:, :-1] * z[..., :-1, 1:],
        )
    )
    found = [
        np.log(np.maximum(scatter, 1e-6) / robust),
        -np.log(robust),
        *((along + down) / 2, np.abs(along - down), (one + other) / 2),
        np.log(np.maximum((squared * squared).mean(axis=2) / scatter**4, 1e-3)),
        np.cbrt((squared * flat).mean(axis=2) / scatter**3),
        (high + low) / np.maximum(high - low, TINY),
        np.log((np.abs(flat) > FAR * robust[..., None]).mean(axis=2) + 1e-3),
        centre.mean(axis=(2, 3)) / scatter,
        np.abs(centre).max(axis=(2, 3)),
    ]
    out: Floats = np.stack(found, axis=-1).reshape(len(z), len(found) * z.shape[1])
    return out


def is_image(value: Any) -> bool:
    """Whether a batch's value is one of images that are large enough to describe."""
    return getattr(value, "ndim", 0) == 4 and min(value.shape[-2:]) >= SMALLEST


def blank(images: Array) -> Mask:
    """(n, C, h, w) -> (n,): whether no channel has two values."""
    flat = np.asarray(images).reshape(*images.shape[:2], images.shape[2] * images.shape[3])
    out: Mask = (flat.max(axis=2) == flat.min(axis=2)).all(axis=1)
    return out


def fit_appearance(train: Floats, validation: Floats, labels: Array | None = None) -> dict[str, Any] | None:
    """Where training stamps lie, and how far from there is too far: a distance in units of their own spread.

    Args:
        train: (n, k) of :func:`appearance_of`.
        validation: (m, k) of stamps that were not trained on.
        labels: (m,) theirs, of two classes, see :func:`astrid_ml.validity.threshold.threshold_of`.

    Returns:
        ``mean``, ``scale``, ``axes`` (tensors) and ``threshold``; None where there are too few.
    """
    import torch

    if min(len(train), len(validation)) < LEAST:
        return None
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    unit = (train - mean) / scale
    spread, axes = np.linalg.eigh(unit.T @ unit / len(unit))
    axes = axes / np.sqrt(np.maximum(spread, 0) + RIDGE)
    plain: dict[str, Any] = {
        name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        for name, array in (("mean", mean), ("scale", scale), ("axes", axes))
    }
    return {**plain, "threshold": threshold_of(strangeness_of(plain, validation), INSIDE, labels)}


def strangeness_of(plain: Mapping[str, Any], statistics: Floats) -> Floats:
    """(n, k) -> (n,), Mahalanobis's distance; above ``threshold`` a stamp looks like none of training.

    Args:
        plain: what :func:`fit_appearance` gave.
        statistics: of stamps with as many channels.

    Raises:
        UserError: the record is damaged, or of another network.
    """
    mean, scale, axes = (plain[name].numpy().astype(np.float64) for name in ARRAYS)
    if statistics.shape[1:] != mean.shape:
        got = f"{statistics.shape[1:]} statistics of a stamp for an appearance of {mean.shape}"
        raise UserError("an appearance of this network's stamps", got, "give the best.ckpt of a run")
    out: Floats = np.linalg.norm(((statistics - mean) / scale) @ axes, axis=1)
    return out


def checked_appearance(plain: Any) -> str:
    """What is wrong with what a file holds of it; empty where nothing is."""
    import torch

    if plain is None:
        return ""
    if not isinstance(plain, dict) or set(plain) != {*ARRAYS, "threshold"}:
        return "an appearance of stamps that is none"
    for name, dimensions in ARRAYS.items():
        value = plain[name]
        if not isinstance(value, torch.Tensor) or value.ndim != dimensions or not value.is_floating_point():
            return f"an appearance of stamps without {name}"
        if not bool(value.isfinite().all()) or not value.numel():
            return f"an appearance of stamps whose {name} is no number"
    width = len(plain["mean"])
    if (
        plain["scale"].shape != (width,)
        or plain["axes"].shape != (width, width)
        or not bool((plain["scale"] > 0).all())
    ):
        return "an appearance of stamps of other numbers"
    threshold = plain["threshold"]
    real = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    return "" if real and 0 <= threshold < np.inf else "an appearance of stamps without a threshold"
