"""The image that passes between the stages of differencing, and its conversion at the border."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from astropy.wcs import WCS


@dataclass(frozen=True)
class Image:
    """One frame with its noise and its calibration. Pixels are 0-based (x, y) with centres at integers.

    Args:
        data: (H, W) float32, in ``unit``.
        variance: (H, W) float32, in ``unit`` squared. Never sigma.
        mask: (H, W) bool, True where the pixel must not be used.
        wcs: celestial world coordinates (ICRS degrees), None for frames that are already aligned.
        psf: (k, k) float32, k odd, centred, sum 1; or (ty, tx, k, k) for PSFs of a regular grid of tiles.
        psf_named: the user named its file; a PSF that merely lies beside the pixels is not meant.
        gain: effective gain, e- per unit of ``data`` (a mean of N exposures has N times the detector's).
        read_noise: e- per pixel of the whole frame: ``(read_noise / gain)**2`` is its variance in ``unit`` squared. The
            mean or sum of N reads has sqrt(N) times that of one, in the electrons of its gain.
        zero_point: AB magnitude of one unit of flux.
        unit: unit of ``data`` as text.
        mission, filter: as in the per-mission table; None where unknown.
        mjd: mid-exposure, UTC, whatever the header held.
        time_ref: what the header held.
        exposure_time: seconds.
        variance_includes_source: whether ``variance`` holds the Poisson noise of the sources.
        name: what messages and tables call the frame.
        hdu: number of the HDU in the file that the data are of; None where they are of no file.
        gain_known: whether ``gain`` was given or measured; 1.0 is only a stand-in otherwise.
        variance_from: where the variance is from, as ``quality.json`` says it.
        saturated: (H, W) bool, True in the saturated cores of stars; None where nobody looked.
        background: (H, W) float32, the sky that was taken away, in ``unit``; None before and once it is not needed.
        sky: its median; None until a sky was taken away.
        sky_rms: noise of the sky in ``unit``, as the background step measured it.
        noise_autocorrelation: (m, m), m odd, centred, of white noise after the resampling; None for white noise.
        noise_density: variance of the sum of what a pixel of the grid covers of a resampled frame, in ``unit`` squared;
            None for a frame that was not resampled.
        overlap: share of the science grid that the frame covers.
        realigned: whether it was resampled a second time, to where the stars are.
        no_data: share of the pixels that the frame's file leaves empty: not finite, or one value over a region.
        header: what was read from which key, and what was assumed, for ``quality.json``.
    """

    data: torch.Tensor
    variance: torch.Tensor
    mask: torch.Tensor
    wcs: WCS | None = None
    psf: torch.Tensor | None = None
    psf_named: bool = False
    gain: float = 1.0
    read_noise: float = 0.0
    zero_point: float | None = None
    unit: str = "electron"
    mission: str | None = None
    filter: str | None = None
    mjd: float | None = None
    time_ref: str = "UTC mid-exposure"
    exposure_time: float | None = None
    variance_includes_source: bool = True
    name: str = ""
    hdu: int | None = None
    gain_known: bool = True
    variance_from: str = "given"
    saturated: torch.Tensor | None = None
    background: torch.Tensor | None = None
    sky: float | None = None
    sky_rms: float | None = None
    noise_autocorrelation: torch.Tensor | None = None
    noise_density: float | None = None
    overlap: float = 1.0
    realigned: bool = False
    no_data: float = 0.0
    header: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold the shapes and types that every stage relies on."""
        if self.data.ndim != 2 or self.variance.shape != self.data.shape or self.mask.shape != self.data.shape:
            raise ValueError(f"{self.name}: data, variance and mask must share one shape (H, W)")
        if self.data.dtype != torch.float32 or self.variance.dtype != torch.float32 or self.mask.dtype != torch.bool:
            raise ValueError(f"{self.name}: data and variance must be float32, mask bool")
        for plane in (self.saturated, self.background):
            if plane is not None and plane.shape != self.data.shape:
                raise ValueError(f"{self.name}: saturated and background must have the shape of data")
        if self.psf is not None and (self.psf.ndim not in (2, 4) or min(k % 2 for k in self.psf.shape[-2:]) == 0):
            raise ValueError(f"{self.name}: psf must be (k, k) or (ty, tx, k, k) with odd k")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return (self.data.shape[0], self.data.shape[1])

    def with_(self, **changes: Any) -> Image:
        """A copy with some fields replaced."""
        return replace(self, **changes)
