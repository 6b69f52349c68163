"""The reference onto the science grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from preprocessing.differencing.image import Image
from preprocessing.differencing.resample import noise_autocorrelation, pixel_area, pixel_map, resample


@dataclass(frozen=True)
class Align:
    """Resample the reference.

    Args:
        method: ``lanczos`` (torch), or ``interp`` (bicubic) and ``adaptive`` of the reproject package.
        min_overlap: least fraction of science pixels that the reference must cover.
        step: px between exact WCS evaluations (``lanczos``).
        order: half the Lanczos taps per axis. 5 is nearer the truth than cubic splines at FWHM 3.5 px; 3 is not.
    """

    method: Literal["lanczos", "interp", "adaptive"] = "lanczos"
    min_overlap: float = 0.85
    step: int = 16
    order: int = 5

    def __call__(self, science: Image, reference: Image, correction: Tensor | None = None) -> Image:
        """The reference on the science grid; ``meta``: ``overlap``, and ``noise_autocorrelation`` for ``lanczos``.

        Fluxes are kept: values per pixel are scaled by the pixel's area, surface brightnesses (``/sr``) are not. A PSF
        that came with the reference is turned and scaled with it.

        Args:
            science, reference: the frames.
            correction: affine (2, 3) of (1, x, y): how far (px) the aligned reference was found off; ``lanczos`` only.

        Raises:
            UserError: a frame without WCS, or too little overlap.
        """
        if science.wcs is None or reference.wcs is None:
            raise UserError("two frames with a celestial WCS", "one without", "use preprocessing/align=none if aligned")
        at = pixel_map(science.wcs, reference.wcs, science.shape, self.step)
        if correction is not None and self.method == "lanczos":
            at = corrected(at, correction)
        h, w = reference.shape
        inside = (at[0] >= -0.5) & (at[0] <= w - 0.5) & (at[1] >= -0.5) & (at[1] <= h - 0.5)
        overlap = float(inside.double().mean())
        check_overlap(overlap, self.min_overlap, reference.name)
        meta = {**reference.meta, "overlap": overlap}
        if self.method == "lanczos":
            data, variance, mask = resample(reference.data, reference.variance, reference.mask, at, self.order)
            meta["noise_autocorrelation"] = noise_autocorrelation(at, self.order).float()
        else:
            data, variance, mask = _reproject(science, reference, self.method)
        area = torch.ones(()) if "/sr" in reference.unit.lower() else pixel_area(at).float()
        return reference.with_(
            data=torch.where(mask, 0.0, data * area),
            variance=torch.where(mask, reference.variance[::4, ::4].median(), variance * area.square()),
            mask=mask,
            wcs=science.wcs,
            psf=None if reference.psf is None else turned(reference.psf, at),
            meta=meta,
        )


def corrected(at: Tensor, correction: Tensor) -> Tensor:
    """The map (2, H, W) evaluated at x + c(x): moves the aligned frame by -c, c affine in the target's pixels."""
    h, w = at.shape[1:]
    y, x = torch.meshgrid(torch.arange(h).double(), torch.arange(w).double(), indexing="ij")
    dx, dy = (c[0] + c[1] * x + c[2] * y for c in correction.double())
    out = [a + g[1] * dx + g[0] * dy for a, g in zip(at, (torch.gradient(at[0]), torch.gradient(at[1])), strict=True)]
    return torch.stack(out)


def turned(psf: Tensor, at: Tensor) -> Tensor:
    """A PSF (..., k, k) of the source's pixels in the target's, by the map's Jacobian at the middle; sum 1."""
    h, w, k = at.shape[1], at.shape[2], psf.shape[-1]
    jacobian = torch.stack(
        [at[:, h // 2, w // 2 + 1] - at[:, h // 2, w // 2], at[:, h // 2 + 1, w // 2] - at[:, h // 2, w // 2]], 1
    )
    if float((jacobian - torch.eye(2)).abs().max()) * k / 2 < 0.02:
        return psf
    t = torch.arange(k).double() - k // 2
    y, x = torch.meshgrid(t, t, indexing="ij")
    source = torch.einsum("ij,jyx->iyx", jacobian.double(), torch.stack([x, y])) + k // 2
    flat = psf.reshape(-1, k, k)
    pad = torch.nn.functional.pad(flat, (8, 8, 8, 8))
    none = torch.zeros_like(pad[0], dtype=torch.bool)
    out = torch.stack([resample(p, torch.ones_like(p), none, source + 8)[0] for p in pad]).view(psf.shape)
    return out / out.sum((-2, -1), keepdim=True)


@dataclass(frozen=True)
class AlignNone:
    """Frames that share their pixels already, but for what stars show.

    Args:
        order: half the Lanczos taps per axis of the second resampling, where there is one.
    """

    order: int = 5

    def __call__(self, science: Image, reference: Image, correction: Tensor | None = None) -> Image:
        """The reference on the science image's WCS; unequal shapes are a UserError.

        It stays as it is, unless ``correction`` (as of ``Align``) says that stars stand off.
        """
        if science.shape != reference.shape:
            raise UserError(f"frames of one shape {science.shape}", f"{reference.shape}", "align them by their WCS")
        same = reference.with_(wcs=science.wcs, meta={**reference.meta, "overlap": 1.0})
        if correction is None:
            return same
        h, w = science.shape
        y, x = torch.meshgrid(torch.arange(h).double(), torch.arange(w).double(), indexing="ij")
        at = corrected(torch.stack([x, y]), correction)
        data, variance, mask = resample(reference.data, reference.variance, reference.mask, at, self.order)
        return same.with_(
            data=torch.where(mask, 0.0, data),
            variance=torch.where(mask, reference.variance.median(), variance),
            mask=mask,
            meta={**same.meta, "noise_autocorrelation": noise_autocorrelation(at, self.order).float()},
        )


def check_overlap(overlap: float, least: float, name: str) -> None:
    """Refuse a reference that covers too little of the science image."""
    if overlap < least:
        fix = "choose a reference of this field, or lower preprocessing.align.min_overlap"
        raise UserError(f"at least {least:.2f} of the science image covered", f"{overlap:.3f} by {name}", fix)


def _reproject(science: Image, reference: Image, method: str) -> tuple[Tensor, Tensor, Tensor]:
    from reproject import reproject_adaptive, reproject_interp

    def run(plane: npt.NDArray[np.float64], order: str) -> npt.NDArray[np.float64]:
        source = (plane, reference.wcs)
        if method == "adaptive":
            return np.asarray(reproject_adaptive(source, science.wcs, science.shape, return_footprint=False))
        out = reproject_interp(source, science.wcs, science.shape, order=order, return_footprint=False)
        return np.asarray(out)

    data = run(reference.data.double().numpy(), "bicubic")
    variance = run(reference.variance.double().numpy(), "bilinear")
    bad = run(reference.mask.double().numpy(), "bilinear")
    mask = ~np.isfinite(data) | ~np.isfinite(variance) | ~(bad < 0.02)
    planes = (torch.from_numpy(np.nan_to_num(p).astype(np.float32)) for p in (data, variance))
    value, noise = planes
    return value, noise, torch.from_numpy(mask)
