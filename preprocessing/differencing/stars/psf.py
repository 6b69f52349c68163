"""The point-spread function of an image: stacked from its stars, fitted by a profile, or given with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.profiles import fit_profile, fwhm_of, profile
from astrid_ml.preprocessing.differencing.pixels.stamps import (
    deposit,
    fit_fluxes,
    fit_sources,
    fractions,
    shifted,
    taken,
    windows,
)
from astrid_ml.preprocessing.differencing.stars.psf_field import psf_grid
from astrid_ml.preprocessing.differencing.stars.psf_halo import alone, blended
from astrid_ml.preprocessing.differencing.stars.select import Sources
from astrid_ml.preprocessing.differencing.stars.shrink import shrink, unlike
from astrid_ml.preprocessing.differencing.stars.widths import FWHM
from astrid_ml.types import Count, Mask, Positive

_CLIP = 4.0  # pixels of a star's stamp further than this from the model, in sigma, hold something else
_AT_ONCE = 4096  # neighbours
_SETTLED = 0.03  # of the peak: a round that changes the PSF by less is followed by one that changes it by 1e-4
# Relative errors of the width: of a Moffat fitted to few stars; where galaxies may be among the stars; where a few
# stars, one, or two may all be galaxies; of a guess.
_MOFFAT_ERROR, _UNSURE, _GALAXIES, _NO_STAR = 0.03, 0.1, 0.3, 0.5
_PIXELS = 1.04  # by which pixels widen a PSF of 2.6 to 3.4 px
_CROWD = 8  # stars that are few no longer
_MANY = 16  # stars that tell a shape of their own: of fewer some may be galaxies
_LEAST = 3  # stars that can be stacked
_OFF = 0.02  # px; a given PSF whose centre is farther off is moved
_FLATNESS = 0.03  # share of the model that a clipped pixel may differ by on top of its noise


@dataclass(frozen=True)
class PsfEstimate:
    """The PSF of an image, and where it comes from.

    Args:
        psf: (k, k), or (t, t, k, k) for a grid of tiles; sum 1.
        fwhm: px.
        n_stars: how many stars it comes from.
        source: ``stars``, ``moffat``, ``given``, ``fallback``, or the model's name.
        warnings: what went wrong, as sentences.
        positions: (n, 2) x, y of the stars, px.
        width_error: relative; how far the PSF's width may be off as a whole, so that all fluxes are.
    """

    psf: Tensor
    fwhm: float
    n_stars: int
    source: str
    warnings: tuple[str, ...] = ()
    positions: Tensor = field(default_factory=lambda: torch.zeros(0, 2))
    width_error: float = 0.0


class EstimatePsf(Protocol):
    """A step that finds the PSF of an image from its stars."""

    def __call__(self, image: Image, sources: Sources, stars: pd.DataFrame) -> PsfEstimate:
        """The PSF."""


@dataclass(frozen=True)
class EmpiricalPsf:
    """The noise-weighted stack of stars, neighbours subtracted, shrunk towards a Moffat where noise rules.

    Args:
        radius: half-size of the stamp in FWHM.
        tiles: PSFs of tiles x tiles parts of the field; a part with too few stars takes the whole field's.
        min_stars: with fewer a Moffat fitted to their stack is used, with fewer than three one of their
            width, and said.
        rounds: of subtracting neighbours, fitting positions and stacking; fewer where the PSF no longer changes.
        most: stars that are stacked, the brightest: more do not bring it nearer to the truth.
        varies: let it vary over the field, with one tile, where stars that were held out ask for it.
    """

    radius: Positive = 4.5
    tiles: Count = 1
    min_stars: Count = 8
    rounds: Count = 3
    most: Count = 150
    varies: bool = True

    def __call__(self, image: Image, sources: Sources, stars: pd.DataFrame) -> PsfEstimate:
        """The PSF, on a grid of tiles where ``tiles`` > 1."""
        if len(stars) < _LEAST:
            return fallback(image, stars, self.radius)
        whole = self._stack(image, sources, stars)
        if len(stars) < self.min_stars:
            said = f"{len(stars)} usable stars in {image.name or 'the image'}: a Moffat fitted to them stands in"
            return moffat_of(whole, said)
        if self.tiles == 1:
            grid_ = None if not self.varies else psf_grid(without(image, sources, whole), whole.psf, whole.positions)
            return whole if grid_ is None else replace(whole, psf=grid_)
        grid, warnings = [], list(whole.warnings)
        for ty in range(self.tiles):
            for tx in range(self.tiles):
                part = stars[_in_tile(stars, image.shape, self.tiles, ty, tx)]
                enough = len(part) >= self.min_stars
                if not enough:
                    warnings.append(f"tile ({ty}, {tx}) has {len(part)} stars: the field's PSF stands in")
                stack = self._stack(image, sources, part, whole.psf.shape[-1]) if enough else whole
                grid.append(stack.psf)
        psf = torch.stack(grid).view(self.tiles, self.tiles, *whole.psf.shape)
        return replace(whole, psf=psf, warnings=tuple(warnings))

    def _stack(self, image: Image, sources: Sources, stars: pd.DataFrame, size: int | None = None) -> PsfEstimate:
        width = max(1.0, FWHM * float(np.median(stars["width"])))
        size = size or stamp_size(width, self.radius, image.shape)
        psf = torch.from_numpy(
            profile("moffat", size, np.array([width / 1.0, width / 1.0, 0.0, 3.5])).astype(np.float32)
        )
        at = torch.from_numpy(stars[["x", "y"]].to_numpy(copy=True))
        used = stars.head(self.most)
        x, y, others = at[: self.most, 0], at[: self.most, 1], _others(sources.table, used, size)
        for i in range(self.rounds):
            before = psf
            # the first positions are the catalogue's; later on only the PSF's change moves them
            psf, x, y, kept = _round(image, psf, x, y, others, 3 if i == 0 else 1)
            others = torch.cat([others[0], x[~kept]]), torch.cat([others[1], y[~kept]])
            x, y = x[kept], y[kept]
            if float((psf - before).abs().max()) < _SETTLED * float(psf.max()):
                break
        at = torch.cat([torch.stack([x, y], 1), at[self.most :]])
        error, said = _width_error(image, stars)
        return PsfEstimate(psf, fwhm_of(psf), len(x), "stars", said, at, error)


def moffat_of(stack: PsfEstimate, said: str) -> PsfEstimate:
    """The Moffat fitted to a stack of stars (k, k), with what to say of it."""
    psf, _ = fit_profile("moffat", stack.psf)
    error = float(np.hypot(stack.width_error, _MOFFAT_ERROR))
    warnings = (said, *stack.warnings)
    return replace(stack, psf=psf, fwhm=fwhm_of(psf), source="moffat", warnings=warnings, width_error=error)


def _width_error(image: Image, stars: pd.DataFrame) -> tuple[float, tuple[str, ...]]:
    """How far the stars' mean width may be off, relative, and what to say where their widths are no crowd apart."""
    spread = float(np.std(np.log(stars["width"].to_numpy())))
    if "distinct" not in stars or bool(stars["distinct"].iloc[0]):
        return spread / float(np.sqrt(len(stars))), ()
    said = f"the stars of {image.name or 'the image'} are no crowd of one width: galaxies may be among them, "
    said += "or the PSF varies (preprocessing.psf.tiles); see flux_sys"
    return max(2 * spread, _UNSURE if len(stars) >= _CROWD else _GALAXIES), (said,)


def without(image: Image, sources: Sources, psf: PsfEstimate) -> Image:
    """The image without the sources that reach into the stamps of the PSF's stars."""
    stars = pd.DataFrame(psf.positions.double().numpy(), columns=["x", "y"])
    size = psf.psf.shape[-1]
    far = cKDTree(stars.to_numpy()).query(sources.table[["x", "y"]].to_numpy())[0] > 1.5
    others = pd.DataFrame(sources.table[far])
    left = image.data.clone()
    for x, y in zip(*(torch.split(o, _AT_ONCE) for o in _others(others, stars, size)), strict=True):
        stamps = shifted(psf.psf, *fractions(x, y))
        flux = fit_fluxes(image.data, image.variance, image.mask, stamps, x, y).nan_to_num(0.0).clamp_min(0)
        deposit(left, stamps.mul_(-flux[:, None, None]), x, y)
    return image.with_(data=left)


def _others(table: pd.DataFrame, stars: pd.DataFrame, size: int) -> tuple[Tensor, Tensor]:
    """Positions of the sources that are not among the stars but reach into their stamps."""
    rest = table[~table["x"].isin(stars["x"])][["x", "y"]].to_numpy()
    if len(rest):
        rest = rest[cKDTree(stars[["x", "y"]].to_numpy()).query(rest, p=np.inf)[0] < size]
    at = torch.from_numpy(rest.T.reshape(2, -1).copy())
    return at[0], at[1]


def _round(
    image: Image, psf: Tensor, x: Tensor, y: Tensor, others: tuple[Tensor, Tensor], steps: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One improvement of the PSF and of the stars' positions; which of them (n,) are stars still."""
    k = psf.shape[-1]
    left = image.data.clone()
    for ox, oy in zip(*(torch.split(o, _AT_ONCE) for o in others), strict=True):
        stamps = shifted(psf, *fractions(ox, oy))
        flux = fit_fluxes(image.data, image.variance, image.mask, stamps, ox, oy).nan_to_num(0.0).clamp_min(0)
        deposit(left, stamps.mul_(-flux[:, None, None]), ox, oy)
    flux, _, x, y, _ = fit_sources(left, image.variance, image.mask, psf, x, y, steps)
    flux = torch.where(flux > 0, flux, torch.zeros_like(flux)).nan_to_num(0.0)
    dx, dy = fractions(x, y)
    own = flux[:, None, None] * shifted(psf, dx, dy)
    # the stars' own neighbours may be stars of the list
    deposit(left, -own, x, y)
    index, inside = windows(image.shape, x, y, k)
    residual, noise = taken(left, index), taken(image.variance, index)
    seen = inside & ~taken(image.mask, index)
    many = len(x) >= _MANY
    # where no Moffat is like the stars, what most of them have beside the model is theirs
    common = (residual / flux.clamp_min(1e-9)[:, None, None]).median(0).values
    common = common if many and unlike(common, psf) else torch.zeros_like(common)
    off, share = residual - flux[:, None, None] * common, _FLATNESS * (own + flux[:, None, None] * common)
    good = seen & (off.abs() < _CLIP * (noise + share.square()).sqrt())
    kept = torch.ones(len(x), dtype=torch.bool)
    if not many:
        scale, relative = flux.clamp_min(1e-9)[:, None, None], noise / flux.clamp_min(1e-9)[:, None, None].square()
        whole, clipped = (shifted(torch.where(m, residual, 0.0), -dx, -dy) / scale for m in (seen, good))
        kept = ~blended(whole, relative, seen, k / 4)
        good &= kept[:, None, None] & ~alone(clipped, relative, good, _FLATNESS * psf)
    # sky noise alone weights: a star's own Poisson noise would make the stack follow its noise
    level = noise[:, ::2, ::2].flatten(1).median(1).values[:, None, None].clamp_min(1e-20)
    weight = good * flux[:, None, None].square() / (level + (_FLATNESS * flux[:, None, None] * psf.max()).square() / 9)
    back = shifted(torch.where(good, residual, 0.0), -dx, -dy) / flux.clamp_min(1e-9)[:, None, None]
    total = weight.sum(0).clamp_min(1e-20)
    stack = psf + (weight * back).sum(0) / total
    scatter = (weight.square() * noise / flux.clamp_min(1e-9)[:, None, None].square()).sum(0).sqrt() / total
    psf = shrink(stack, scatter, many)
    return centred(psf / psf.sum()), x, y, kept


def centred(psf: Tensor) -> Tensor:
    """A (k, k) stamp moved so that its core's Gaussian-weighted centroid is the central pixel's centre."""
    for _ in range(3):
        dx, dy = off_centre(psf)
        psf = shifted(psf, -dx[None], -dy[None])[0]
    return psf / psf.sum()


def off_centre(psf: Tensor) -> tuple[Tensor, Tensor]:
    """How far (x, y, px) the Gaussian-weighted centroid of a stamp's core lies from its central pixel's centre."""
    k = psf.shape[-1]
    t = (torch.arange(k) - k // 2).float()
    sigma = max(fwhm_of(psf), 1.5) / 2.355
    weighted = psf * torch.exp(-(t[:, None] ** 2 + t[None, :] ** 2) / (2 * sigma**2))
    # the window halves the centroid's response for a profile of the window's own width
    total = weighted.sum() / 2
    return (weighted.sum(0) * t).sum() / total, (weighted.sum(1) * t).sum() / total


def stamp_size(fwhm: float, radius: float, shape: tuple[int, int]) -> int:
    """Odd side of a PSF stamp of ``radius`` FWHM, at least 21 and at most 65 px, and no more than half the frame."""
    size = 2 * int(np.ceil(radius * fwhm)) + 1
    return int(max(9, min(max(size, 21), 65, (min(shape) // 2 - 1) | 1)))


def _in_tile(stars: pd.DataFrame, shape: tuple[int, int], tiles: int, ty: int, tx: int) -> Mask:
    """Stars in a tile and half a tile around it."""
    h, w = shape[0] / tiles, shape[1] / tiles
    y, x = stars["y"].to_numpy() / h - ty, stars["x"].to_numpy() / w - tx
    return np.asarray((y > -0.5) & (y < 1.5) & (x > -0.5) & (x < 1.5))


def fallback(image: Image, stars: pd.DataFrame, radius: float) -> PsfEstimate:
    """A Moffat of the stars' width, or of 3 px where there is no star; the warning says which."""
    width = _PIXELS * FWHM * float(np.median(stars["width"])) if len(stars) else 3.0
    said = f"{len(stars)} usable stars in {image.name or 'the image'}: "
    said += (
        "a Moffat of their width stands in (they may be galaxies: see flux_sys)"
        if len(stars)
        else "a Moffat of FWHM 3 px stands in; give a PSF"
    )
    size = stamp_size(width, radius, image.shape)
    alpha = width / 2 / np.sqrt(2 ** (1 / 3.5) - 1)
    psf = torch.from_numpy(profile("moffat", size, np.array([alpha, alpha, 0.0, 3.5])).astype(np.float32))
    at = torch.from_numpy(stars[["x", "y"]].to_numpy(copy=True)) if len(stars) else torch.zeros(0, 2)
    error = _GALAXIES if len(stars) else _NO_STAR
    return PsfEstimate(psf, fwhm_of(psf), len(stars), "fallback", (said,), at, error)


@dataclass(frozen=True)
class AnalyticPsf:
    """A profile fitted to the stack of stars.

    Args:
        model: ``moffat`` or ``gaussian``, elliptical.
        radius, min_stars: as of the empirical PSF.
    """

    model: Literal["moffat", "gaussian"] = "moffat"
    radius: Positive = 4.5
    min_stars: Count = 3

    def __call__(self, image: Image, sources: Sources, stars: pd.DataFrame) -> PsfEstimate:
        """The fitted PSF."""
        stack = EmpiricalPsf(self.radius, min_stars=self.min_stars, varies=False)(image, sources, stars)
        if stack.source == "fallback":
            return stack
        psf, _ = fit_profile(self.model, stack.psf)
        return replace(stack, psf=psf, fwhm=fwhm_of(psf), source=self.model)


@dataclass(frozen=True)
class GivenPsf:
    """The PSF that came with the image (``science.psf=FILE``, a PSF extension, or one set by a program).

    Where it is off its centre by more than 0.02 px it is moved there: by two PSFs of different centres a star would be
    in two places.
    """

    def __call__(self, image: Image, sources: Sources, stars: pd.DataFrame) -> PsfEstimate:
        """The image's PSF.

        Raises:
            UserError: there is none.
        """
        if image.psf is None:
            fix = "give science.psf=FILE and reference.psf=FILE, or choose preprocessing/psf=empirical"
            raise UserError("a PSF with each image", f"none with {image.name}", fix)
        at = torch.from_numpy(stars[["x", "y"]].to_numpy(copy=True)) if len(stars) else torch.zeros(0, 2)
        given = image.psf.reshape(-1, *image.psf.shape[-2:])
        psf = torch.stack([p if math.hypot(*map(float, off_centre(p))) <= _OFF else centred(p) for p in given])
        return PsfEstimate(psf.view(image.psf.shape), fwhm_of(psf.mean(0)), len(stars), "given", (), at)


@dataclass(frozen=True)
class NamedPsf:
    """The PSF of an image that came with one by name (``science.psf=FILE``); for any other what a step finds.

    Args:
        step: for an image without.
    """

    step: EstimatePsf

    def __call__(self, image: Image, sources: Sources, stars: pd.DataFrame) -> PsfEstimate:
        """The PSF."""
        step = GivenPsf() if image.psf_named else self.step
        return step(image, sources, stars)
