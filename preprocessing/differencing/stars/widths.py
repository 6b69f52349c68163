"""Widths of sources, which their neighbours do not widen, and the width that stars have among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.stamps import fractions, taken, windows
from astrid_ml.types import Floats, Mask

_AT_ONCE = 128  # sources whose stamps stay in the processor's cache
_ROUNDS = 8  # of moments and window
_START = 1.7  # px; the first window's sigma
_NARROWEST, _WIDEST = 0.5, 5.0  # px; of a window
FWHM = 2.05  # of a Moffat of beta 3 to 3.5 over its width, before pixels widen it
FLOOR = 0.03  # relative; pixels' phases and the field vary a star's width by as much
_WITHIN = 2.5  # sigma of a member
_PRECISE = 0.1  # relative error of sources that show a crowd
_CORE, _SIDE = 0.06, 0.30  # of the logarithm: half a crowd's width, and how far beside it others are counted
_CHANCE = 0.01
_SHARPER = 0.3  # of a crowd's members; where more precise sources are sharper, the crowd is one of galaxies
_LOOSE = 1.6  # mean square of the members' distances in sigma: 1 for stars, 2.1 for what is spread evenly
_SHARE = 0.06  # of the largest crowd; what is rarer are artefacts


@dataclass(frozen=True)
class Locus:
    """The width of the stars.

    Args:
        width: px, Gaussian sigma; NaN where there is no source.
        members: sources that agree on it within their errors.
        distinct: it is a crowd that stands apart; else the sharpest sources stand in, which may be galaxies.
    """

    width: float
    members: int
    distinct: bool


def adaptive_widths(image: Image, x: Tensor, y: Tensor, reach: int = 9) -> tuple[Tensor, Tensor]:
    """Gaussian sigma (px, n) of sources, and its relative error, by adaptive moments.

    Bernstein & Jarvis (2002, AJ 123, 583).

    The window that weights the moments becomes as wide as the source: what lies beyond two sigma hardly counts.

    Args:
        image: background-free.
        x, y: (n,) px.
        reach: px, half-side of the stamps.
    """
    size = 2 * reach + 1
    t = (torch.arange(size) - reach).float()
    widths, errors = [torch.zeros(0)], [torch.zeros(0)]
    for part in torch.split(torch.arange(len(x)), _AT_ONCE):
        index, inside = windows(image.shape, x[part], y[part], size)
        data = taken(image.data, index) * (inside & ~taken(image.mask, index))
        cx, cy = fractions(x[part], y[part])
        s2 = torch.full((len(part),), _START**2)
        for _ in range(_ROUNDS):
            dx, dy = t - cx[:, None], t - cy[:, None]
            gx, gy = (torch.exp(-(d**2) / (2 * s2[:, None])) for d in (dx, dy))
            along_x, along_y = torch.einsum("nyx,ny->nx", data, gy) * gx, torch.einsum("nyx,nx->ny", data, gx) * gy
            flux = along_x.sum(1).clamp_min(1e-6)
            second = ((along_x * dx**2).sum(1) + (along_y * dy**2).sum(1)) / flux / 2
            # a window of the source's own width halves both the centroid's and the variance's response
            cx = cx + (2 * (along_x * dx).sum(1) / flux).clamp(-0.5, 0.5)
            cy = cy + (2 * (along_y * dy).sum(1) / flux).clamp(-0.5, 0.5)
            new = 1 / (1 / second.clamp_min(0.2) - 1 / s2).clamp_min(1 / _WIDEST**2)
            s2 = (0.3 * s2 + 0.7 * new).clamp(_NARROWEST**2, _WIDEST**2)
        moment = ((dx**2)[:, None, :] + (dy**2)[:, :, None]) / s2[:, None, None] - 1
        weight = gx[:, None, :] * gy[:, :, None] * moment
        errors.append((weight.square() * taken(image.variance, index)).sum((1, 2)).sqrt() / flux)
        widths.append(s2.sqrt())
    return torch.cat(widths), torch.cat(errors)


def stellar_locus(widths: Floats, errors: Floats, least: int = 3) -> Locus:
    """The width of the stars: the smallest on which sources agree, and beside which there are fewer.

    Nothing real is sharper than a star, while galaxies, however many, have no one width. A crowd of at least ``least``
    stands apart where what lies beside it (left of it, and in the emptiest place to its right) would not make as many.

    Args:
        widths: px, (n,), of sources that may be stars.
        errors: relative, (n,).
        least: members of a crowd.
    """
    good = np.isfinite(widths) & (widths > _NARROWEST * 1.01) & (widths < _WIDEST * 0.99) & np.isfinite(errors)
    if not good.any():
        return Locus(float("nan"), 0, False)
    logs, sigma = np.log(widths[good]), np.hypot(errors[good], FLOOR)
    order = np.argsort(logs)
    logs, sigma = logs[order], sigma[order]
    precise = sigma < _PRECISE
    starts = _settled(logs[precise], sigma[precise])
    counts = np.array([int(_members(logs, sigma, c).sum()) for c in starts])
    for centre, count in zip(starts, counts, strict=True):
        sharper = int((precise & (logs < centre - _WITHIN * sigma - FLOOR)).sum())
        if sharper > _SHARPER * count:
            break
        if count >= max(least, _SHARE * counts.max()) and stands_out(logs[precise], float(centre)):
            near = _members(logs, sigma, float(centre)) & precise
            if float(np.mean(((logs - centre) / sigma)[near] ** 2)) < _LOOSE:
                return Locus(float(np.exp(centre)), int(count), True)
            for _ in range(5):  # a PSF that varies, or galaxies: the middle of the whole crowd
                centre = float(np.median(logs[precise & (np.abs(logs - centre) < _SIDE / 2)]))
            return Locus(float(np.exp(centre)), int(count), False)
    sharpest = logs[precise][:least] if precise.any() else logs[:least]
    centre = float(np.median(sharpest))
    return Locus(float(np.exp(centre)), int(_members(logs, sigma, centre).sum()), False)


def _members(logs: Floats, sigma: Floats, centre: float) -> Mask:
    return np.asarray(np.abs(logs - centre) < _WITHIN * sigma)


def _settled(logs: Floats, sigma: Floats) -> Floats:
    """Where the mean of those that agree with a first guess comes to rest, ascending, each once."""
    found = []
    for start in np.unique(np.round(logs, 2)):
        centre = float(start)
        for _ in range(10):
            near = np.abs(logs - centre) < _WITHIN * np.minimum(sigma, 2 * FLOOR)
            if not near.any():
                break
            weight = sigma[near] ** -2
            centre = float(np.sum(weight * logs[near]) / weight.sum())
        found.append(round(centre, 3))
    return np.unique(found)


def stands_out(logs: Floats, centre: float) -> bool:
    """Whether there are more within a crowd's width of the centre than what lies beside it would make."""
    from scipy.special import pdtrc

    def within(low: float, high: float) -> int:
        return int(np.searchsorted(logs, high) - np.searchsorted(logs, low))

    count = within(centre - _CORE, centre + _CORE)
    left = within(centre - _CORE - _SIDE, centre - _CORE) * 2 * _CORE / _SIDE
    places = np.arange(centre + _CORE, centre + _CORE + _SIDE, _CORE / 2)
    right = min(within(low, low + 2 * _CORE) for low in places)
    expected = max(left, right) + 0.3
    return count > 1.6 * expected and float(pdtrc(count - 1, expected)) < _CHANCE
