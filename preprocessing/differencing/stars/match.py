"""Stars that both images hold: their flux ratio and how far apart the two images put them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.profiles import fwhm_of
from astrid_ml.preprocessing.differencing.pixels.stamps import chi_squares, fit_sources, misfit
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Count, Floats, InUnits, NonNegative, Positive

_AFFINE = 6  # stars; their twelve offsets leave six beside the six numbers of an affine


@dataclass(frozen=True)
class Matched:
    """What matched stars say of a pair on one grid.

    Args:
        stars: x, y (science px), flux_science, flux_reference, dx, dy (reference - science, px), chi2_science and
            chi2_reference (reduced, against the PSF), kept.
        flux_ratio, flux_ratio_err: science / reference.
        shift: affine (2, 3) of (1, x, y) that gives dx, dy; zero where there are too few stars.
        sigma: error of the registration after that, px per axis: the rms that is left, measurement noise taken away.
        warnings: what stood in where stars were too few.
    """

    stars: pd.DataFrame
    flux_ratio: float
    flux_ratio_err: float
    shift: Tensor
    sigma: float
    warnings: tuple[str, ...] = ()


def robust_ratio(
    science: Floats, error: Floats, reference: Floats, error_reference: Floats
) -> tuple[float, float, Floats]:
    """Flux ratio of stars by weighted least squares with errors in both, outliers (variables) left out.

    Returns:
        the ratio, its error (scaled by the scatter where that exceeds the noise), and which stars were kept.
    """
    ratio = float(np.median(science / reference))
    kept = np.ones(len(science), dtype=bool)
    spread = 0.0
    variance = np.ones(len(science))
    for _ in range(10):
        # a share of the flux is added to the noise: flat fields and PSFs are not known to better
        variance = error**2 + (ratio * error_reference) ** 2 + (spread * ratio * reference) ** 2
        w = kept * reference / variance
        ratio = float(np.sum(w * science) / np.sum(w * reference))
        off = (science - ratio * reference) / np.sqrt(variance)
        relative = (science / reference / ratio - 1)[kept]
        noise = np.sqrt(error**2 + (ratio * error_reference) ** 2)[kept] / (ratio * reference[kept])
        scatter = robust_sigma(relative, centre=0.0)
        spread = float(np.sqrt(max(scatter**2 - np.median(noise) ** 2, 0.0)))
        kept = np.abs(off) < 4.0
        if not kept.any():
            kept[:] = True
    used = kept * reference**2 / variance
    chi2 = float(np.sum(kept * (science - ratio * reference) ** 2 / variance) / max(int(kept.sum()) - 1, 1))
    return ratio, float(np.sqrt(max(chi2, 1.0) / np.sum(used))), kept


def fit_affine(x: Floats, y: Floats, values: Floats, weight: Floats) -> Floats:
    """Coefficients (3,) of values = a + b x + c y by weighted least squares."""
    basis = np.stack([np.ones_like(x), x, y], 1) * np.sqrt(weight)[:, None]
    solution: Floats = np.linalg.lstsq(basis, values * np.sqrt(weight), rcond=None)[0]
    return solution


@dataclass(frozen=True)
class MatchStars:
    """Compares stars on the science grid.

    Args:
        min_stars: with fewer the registration error is drawn towards ``default_sigma``; fewer than three give no ratio
            where both zero points are known (these decide), fewer than two no shift.
        max_offset: px; a star that the reference puts farther off is no match.
        default_sigma: px per axis, the registration error where it cannot be measured; a shift of few stars that is
            less than twice as large is left to the refinement.
        max_scatter: px per axis; stars that differ by more after the best affine or shift are of no one place.
        max_misfit: a source less like the PSF than this (``misfit``) is no star, in either image.
    """

    min_stars: Count = 8
    max_offset: Annotated[Positive, InUnits("px")] = 2.0
    default_sigma: Annotated[NonNegative, InUnits("px")] = 0.1
    max_misfit: NonNegative = 0.3
    max_scatter: Annotated[Positive, InUnits("px")] = 0.5

    def __call__(self, science: Image, reference: Image, psfs: tuple[Tensor, Tensor], at: Tensor) -> Matched:
        """Fit the stars at ``at`` (n, 2) in both images (background-free, one grid; ``psfs`` (k, k))."""
        x, y = at[:, 0], at[:, 1]
        fits = [
            fit_sources(image.data, image.variance, image.mask, psf, x, y, steps=3)
            for image, psf in zip((science, reference), psfs, strict=True)
        ]
        (f_n, e_n, x_n, y_n, s_n), (f_r, e_r, x_r, y_r, s_r) = ([t.double().numpy() for t in one] for one in fits)
        stars = pd.DataFrame(
            {"x": x_n, "y": y_n, "flux_science": f_n, "flux_reference": f_r, "dx": x_r - x_n, "dy": y_r - y_n}
        )
        stars["spread"] = np.hypot(s_n, s_r)
        stars["error_science"], stars["error_reference"] = e_n, e_r
        good = np.isfinite(stars.to_numpy()).all(1) & (f_n > 5 * e_n) & (f_r > 5 * e_r)
        good &= np.hypot(stars["dx"].to_numpy(), stars["dy"].to_numpy()) < self.max_offset
        for side, image, psf, fit in zip(("science", "reference"), (science, reference), psfs, fits, strict=True):
            seen = (image.data, image.variance, image.mask, psf, fit[2], fit[3], fit[0], 1.5 * fwhm_of(psf))
            good &= misfit(*seen).nan_to_num(9).numpy() < self.max_misfit
            stars[f"chi2_{side}"] = chi_squares(*seen).double().numpy()
        # what is unlike the PSF is not known to its noise: errors are scaled by the root of chi-square
        worse = {side: np.sqrt(np.maximum(stars[f"chi2_{side}"], 1.0)) for side in ("science", "reference")}
        stars["spread"] = np.hypot(s_n * worse["science"], s_r * worse["reference"])
        for side, factor in worse.items():
            stars[f"error_{side}"] *= factor
        stars = stars[good].reset_index(drop=True)
        return self._judge(stars, science, reference)

    def _judge(self, stars: pd.DataFrame, science: Image, reference: Image) -> Matched:
        if len(stars) < 3:
            return self._without(stars, science, reference)
        columns = ("flux_science", "error_science", "flux_reference", "error_reference")
        ratio, error, kept = robust_ratio(*(stars[c].to_numpy() for c in columns))
        stars["kept"] = kept
        prior = self.default_sigma if int(kept.sum()) < self.min_stars else None
        shift, sigma = registration(stars[kept], prior)
        if sigma > self.max_scatter:
            raise UserError(
                f"stars that both images put in one place, to {self.max_scatter:g} px",
                f"{int(kept.sum())} stars of {science.name} and {reference.name} that differ by {sigma:.2f} px",
                "check the WCS of both frames, or raise preprocessing.match.max_scatter",
            )
        if prior is not None and not shift[:, 1:].any() and float(shift[:, 0].norm()) < 2 * prior:
            # a few stars' own motions are as large; the refinement sees galaxies too, and moves the pixels
            shift, sigma = torch.zeros(2, 3), max(sigma, prior)
        few = f"{int(kept.sum())} matched stars: the registration is known to {sigma:.2f} px"
        return Matched(stars, ratio, error, shift, sigma, () if prior is None else (few,))

    def _without(self, stars: pd.DataFrame, science: Image, reference: Image) -> Matched:
        stars["kept"] = False
        ratio, error, source = 1.0, float("nan"), "taken as 1"
        if science.zero_point is not None and reference.zero_point is not None:
            ratio, source = 10 ** (-0.4 * (reference.zero_point - science.zero_point)), "that of the zero points"
        elif len(stars):
            flux, other = (stars[f"flux_{side}"].to_numpy() for side in ("science", "reference"))
            errors = [stars[f"error_{side}"].to_numpy() for side in ("science", "reference")]
            ratio, error, _ = robust_ratio(flux, errors[0], other, errors[1])
            source = "theirs, and no zero points say otherwise"
        said = f"{len(stars)} matched stars: the flux ratio is {source}"
        shift, sigma = torch.zeros(2, 3), self.default_sigma
        if len(stars) == 2:  # one star may be anything, two that agree are a shift
            found, left = registration(stars, self.default_sigma)
            if left < self.max_scatter:
                shift, sigma = found, max(left, sigma)
        return Matched(stars, float(ratio), error, shift, sigma, (said,))


def registration(stars: pd.DataFrame, prior: float | None = None) -> tuple[Tensor, float]:
    """Offset of matched stars as an affine (2, 3), and its error, px per axis: the scatter beyond the centroids' noise.

    No offset, a shift or an affine: the one of the least Bayesian information criterion, with the scatter that the
    affine leaves, so that a handful of poor centroids does not turn the frame. An affine needs as many offsets to
    spare as it has numbers; the error holds what the fit itself is not known to.

    Args:
        stars: x, y, dx, dy, spread (px), three rows or more.
        prior: px per axis; the scatter is drawn towards it as if two further offsets had shown it.
    """
    x, y = stars["x"].to_numpy(), stars["y"].to_numpy()
    noise2 = stars["spread"].to_numpy() ** 2
    extra, rows, offsets = (prior or 0.01) ** 2, np.zeros((2, 3)), stars[["dx", "dy"]].to_numpy().T
    fits = ((_constant, 2), (fit_affine, 6)) if len(stars) >= _AFFINE else ((_constant, 2),)
    free, weight = 0, np.ones(len(stars))
    for _ in range(5):
        weight = 1 / (noise2 + extra)
        inlier = np.ones(len(stars), dtype=bool)
        models = [(np.zeros((2, 3)), 0)]
        for basis, numbers in fits:
            model = np.stack([_clipped(basis, x, y, offset, weight) for offset in offsets])
            models.append((model, numbers))
            if basis is fits[-1][0] and len(stars) >= _AFFINE:
                inlier &= np.all((offsets - _evaluate(model, x, y)) ** 2 * weight < 16, axis=0)
        scores = [
            float(np.sum(((offsets - _evaluate(m, x, y)) ** 2 * weight)[:, inlier])) + k * np.log(2 * inlier.sum())
            for m, k in models
        ]
        rows, free = models[int(np.argmin(scores))]
        left2 = (offsets - _evaluate(rows, x, y)) ** 2
        w2 = (weight**2 * inlier)[None]
        spare = max(2 * int(inlier.sum()) - free, 1)
        found = np.sum(w2 * (left2 - noise2)) / max(2 * np.sum(w2), 1e-30) * 2 * inlier.sum() / spare
        if prior is not None:
            found = (max(found, 0.0) * spare + 2 * prior**2) / (spare + 2)
        extra = float(max(found, 1e-6))
    return torch.tensor(rows), float(np.sqrt(extra + free / 2 / weight.sum()))


def _evaluate(rows: Floats, x: Floats, y: Floats) -> Floats:
    return np.asarray(rows[:, :1] + rows[:, 1:2] * x + rows[:, 2:3] * y)


def _constant(x: Floats, y: Floats, values: Floats, weight: Floats) -> Floats:
    return np.array([np.sum(weight * values) / np.sum(weight), 0.0, 0.0])


def _clipped(fit: Callable[..., Floats], x: Floats, y: Floats, values: Floats, weight: Floats) -> Floats:
    c = fit(x, y, values, weight)
    kept = (values - _evaluate(c[None], x, y)[0]) ** 2 * weight < 16
    return fit(x[kept], y[kept], values[kept], weight[kept]) if kept.sum() >= 4 else c
