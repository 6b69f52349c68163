"""The reference onto the science grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.pixel_map import PixelMap, pixel_map
from astrid_ml.preprocessing.differencing.grid.reduce import FINER, reduced
from astrid_ml.preprocessing.differencing.grid.resample import noise_autocorrelation, resample
from astrid_ml.preprocessing.differencing.grid.undersampled import guessed, narrower, undersampled
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.types import Count, Floats, InUnits, Share

Planes = tuple[Tensor, Tensor, Tensor]
_BAND = 1 << 20  # pixels of the map that are worked out at once
_LEAST_ROWS = 256


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
    min_overlap: Share = 0.85
    step: Annotated[Count, InUnits("px")] = 16
    order: Count = 5

    def __call__(self, science: Image, reference: Image, correction: Tensor | None = None) -> Image:
        """The reference on the science grid; ``overlap`` is set, and ``noise_autocorrelation`` by ``lanczos``.

        Fluxes are kept: values per pixel are scaled by the pixel's area, surface brightnesses (``/sr``) are not. A PSF
        that came with the reference is turned and scaled with it.

        Args:
            science, reference: the frames.
            correction: affine (2, 3) of (1, x, y): how far (px) the aligned reference was found off; ``lanczos`` only.
                Without a WCS, how far the reference itself is off pixel by pixel.

        Raises:
            UserError: a frame without WCS, too little overlap, or a pixel as long as the other frame.
        """
        _refuse_one_pixel(science, reference)
        correction = correction if self.method == "lanczos" else None
        if science.wcs is not None and reference.wcs is not None:
            grid = pixel_map(science.wcs, reference.wcs, science.shape, correction, self.step)
        elif correction is not None:
            grid = _moved(science.shape, correction, self.step)
        else:
            fix = "use preprocessing/align=none if aligned, preprocessing/align=lanczos to place them by their sources"
            raise UserError("two frames with a celestial WCS", "one without", fix)
        planes = None if self.method == "lanczos" else _reproject(science, reference, self.method)
        scaled = "/sr" not in reference.unit.lower()
        density = typical(reference.variance) * grid.ratio ** (2 if scaled else -2)
        line = None
        if planes is None and grid.ratio > FINER:
            ratio = grid.ratio
            reference, grid, line = reduced(reference, grid, ratio, self.order)
            if scaled:  # a larger pixel holds the light of all
                reference = reference.with_(data=reference.data * ratio**2, variance=reference.variance * ratio**4)
        out = on_grid(reference, grid, self.order, scaled, planes, line)
        check_overlap(out.overlap, self.min_overlap, reference.name)
        (h, w), psf = science.shape, reference.psf
        if psf is not None:
            middle = grid.rows(h // 2 - 1, h // 2 + 2)[:, :, w // 2 - 1 : w // 2 + 2]
            psf = turned(psf, middle)
        return out.with_(wcs=science.wcs, psf=psf, noise_density=density)


def on_grid(
    image: Image,
    grid: PixelMap,
    order: int,
    scaled: bool,
    planes: Planes | None = None,
    line: Tensor | None = None,
) -> Image:
    """An image resampled by a map, by bands of rows so that the map is never whole in memory.

    ``overlap``, the share of the grid inside the image, and ``noise_autocorrelation`` are set; ``saturated`` is that of
    the nearest pixels where the image had it.

    Args:
        image: what is resampled.
        grid: the map to its pixels.
        order: half the Lanczos taps per axis.
        scaled: multiply by the pixels' area.
        planes: data, variance and mask that another program resampled, to be scaled only.
        line: autocorrelation of the image's noise along each axis, centred; None for white noise.
    """
    h, w = grid.shape
    data, variance, mask = torch.empty(h, w), torch.empty(h, w), torch.empty(h, w, dtype=torch.bool)
    level, inside, positions = typical(image.variance), 0, []
    saturated, sharp = image.saturated, planes is None and undersampled(image)
    cores = torch.zeros(h, w, dtype=torch.bool)
    band = max(_LEAST_ROWS, _BAND // w)
    for start in range(0, h, band):
        rows = slice(start, min(start + band, h))
        at = grid.rows(start, rows.stop)
        inside += _inside(at, image.shape)
        positions.append(at[:, ::7, ::7].flatten(1))
        if saturated is not None:
            cores[rows] = _nearest(saturated, at)
        if planes is None:
            value, noise, bad = _resampled(image, at, order, sharp)
        else:
            value, noise, bad = (p[rows] for p in planes)
        if scaled:
            area = grid.area(start, rows.stop)
            value, noise = value * area, noise * area.square()
        data[rows], variance[rows], mask[rows] = value, noise, bad
    correlation = image.noise_autocorrelation
    if planes is None:
        places = torch.cat(positions, 1)
        correlation = noise_autocorrelation(places, order, grid.steps, line).float()
        if line is not None:
            white, middle = noise_autocorrelation(places, order, grid.steps), len(correlation) // 2
            variance *= correlation[middle, middle] / float(white[middle, middle])
    return image.with_(
        data=data.masked_fill_(mask, 0.0),
        variance=variance.masked_fill_(mask, level),
        mask=mask,
        saturated=None if saturated is None else cores,
        background=None,
        overlap=inside / (h * w),
        noise_autocorrelation=correlation,
    )


def _resampled(image: Image, at: Tensor, order: int, sharp: bool) -> Planes:
    """Data, variance and mask at positions (2, n, m); in ``sharp`` images interpolation is wrong, and noise for it."""
    value, noise, bad = resample(image.data, image.variance, image.mask, at, order)
    if sharp and order > 1:
        noise = noise + guessed(value, resample(image.data, image.variance, image.mask, at, narrower(order))[0], noise)
    return value, noise, bad


def _nearest(flags: Tensor, at: Tensor) -> Tensor:
    """The flags of the pixels next to positions (2, n, m); False outside."""
    h, w = flags.shape
    x, y = at.round().long()
    out: Tensor = flags[y.clamp(0, h - 1), x.clamp(0, w - 1)] & (x >= 0) & (x < w) & (y >= 0) & (y < h)
    return out


def _inside(at: Tensor, shape: tuple[int, int]) -> int:
    h, w = shape
    return int(torch.count_nonzero((at[0] >= -0.5) & (at[0] <= w - 0.5) & (at[1] >= -0.5) & (at[1] <= h - 0.5)))


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

    order: Count = 5

    def __call__(self, science: Image, reference: Image, correction: Tensor | None = None) -> Image:
        """The reference on the science image's WCS; unequal shapes are a UserError.

        It stays as it is, unless ``correction`` (as of ``Align``) says that stars stand off.
        """
        if science.shape != reference.shape:
            raise UserError(f"frames of one shape {science.shape}", f"{reference.shape}", "align them by their WCS")
        same = reference.with_(wcs=science.wcs, overlap=1.0)
        if correction is None:
            return same
        return on_grid(same, _moved(science.shape, correction), self.order, False)


def _moved(shape: tuple[int, int], correction: Tensor, step: int = 16) -> PixelMap:
    """The map of a grid to itself at x + c(x)."""
    rows, columns = (n // step + 2 for n in shape)
    y, x = torch.meshgrid(torch.arange(rows).double() * step, torch.arange(columns).double() * step, indexing="ij")
    dx, dy = (c[0] + c[1] * x + c[2] * y for c in correction.double())
    return PixelMap(torch.stack([x + dx, y + dy]), shape, step)


def _refuse_one_pixel(science: Image, reference: Image) -> None:
    """Refuse scales of which one is a mistake, before a kernel as wide as such a pixel is made."""
    for one, other in ((science, reference), (reference, science)):
        if one.wcs is None or other.wcs is None:
            continue
        longest, shortest = max(_scales(one.wcs)), min(_scales(other.wcs))
        if longest >= shortest * min(other.shape):
            length = longest / shortest if shortest else math.inf
            got = f"a pixel of {one.name or 'one'} as long as {length:.3g} of {other.name or 'the other'}"
            need = "two frames of which no pixel is as long as the other frame"
            raise UserError(need, got, "mend CDELT, CD or PC in the header that is wrong")


def _scales(wcs: Any) -> Floats:
    """Longest and shortest extent of a pixel of a WCS on the sky, in degrees, (2,)."""
    return np.asarray(np.linalg.svd(wcs.celestial.pixel_scale_matrix, compute_uv=False))


def check_overlap(overlap: float, least: float, name: str) -> None:
    """Refuse a reference that covers too little of the science image."""
    if overlap < least:
        fix = "choose a reference of this field, or lower preprocessing.align.min_overlap"
        raise UserError(f"at least {least:.2f} of the science image covered", f"{overlap:.3f} by {name}", fix)


def _reproject(science: Image, reference: Image, method: str) -> Planes:
    from reproject import reproject_adaptive, reproject_interp

    def run(plane: Floats, order: str) -> Floats:
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
