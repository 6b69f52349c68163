"""The quality record of a subtracted pair: what ``quality.json`` holds, and what later steps read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from astrid_ml.preprocessing.differencing.detect.purity import ASSUMES
from astrid_ml.preprocessing.differencing.detect.significance import SignificanceCheck
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.sky.noise import ImageNoise
from astrid_ml.preprocessing.differencing.stars.psf import PsfEstimate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FrameQuality:
    """What was found of one of the two frames.

    Args:
        fwhm: of the PSF, px.
        psf_from: where the PSF is from.
        psf_stars: how many stars made it; 0 where none was needed.
        background: median of the sky that was taken away, image units.
        mjd: mid-exposure, UTC; None where unknown.
        noise: of blank sky.
        psf_width_error: relative; how far the PSF's width may be off as a whole.
        psf_chi2: median reduced chi-square of the matched stars against the PSF; None without stars.
        no_data: share of the file's pixels that hold no data.
        header: what was read from which key, what stands there, and what was assumed, unknown and doubted.
    """

    fwhm: float
    psf_from: str
    psf_stars: int
    background: float
    mjd: float | None
    noise: ImageNoise
    psf_width_error: float = 0.0
    psf_chi2: float | None = None
    no_data: float = 0.0
    header: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Quality:
    """The quality of a subtracted pair.

    Args:
        science, reference: of each frame.
        significance: the check on blank sky.
        overlap: share of the science frame that the reference covers.
        realigned: whether the reference was resampled a second time, to where its stars are.
        matched_stars: stars of both frames that were used.
        flux_ratio, flux_ratio_err: science over reference, and its standard error, None where it is unknown.
        astrometric_sigma: registration error, px per axis.
        registration_left: px; the largest offset over the frame's corners.
        gain_known, variance_from, mission, filter: of the science frame.
        candidates: their number.
        depth_reached: least error of a flux that both images allow over that of the difference; None without blank sky.
        chosen: what was chosen for this pair, and why, by name.
        figures: what the refinement, the subtraction and the check of star residuals say of themselves, by name.
        warnings: sentences for the user.
    """

    science: FrameQuality
    reference: FrameQuality
    significance: SignificanceCheck
    overlap: float
    realigned: bool
    matched_stars: int
    flux_ratio: float
    flux_ratio_err: float | None
    astrometric_sigma: float
    registration_left: float
    gain_known: bool
    variance_from: str
    mission: str | None
    filter: str | None
    candidates: int
    depth_reached: float | None = None
    figures: dict[str, float] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """The record that ``quality.json`` holds: flat but for the accounts of both headers."""
        said: dict[str, Any] = self.significance.record() | self.figures | self.chosen | {"purity_assumes": ASSUMES}
        for name in (
            *("overlap", "matched_stars", "flux_ratio", "flux_ratio_err", "astrometric_sigma", "registration_left"),
            *("gain_known", "variance_from", "mission", "filter", "candidates", "depth_reached"),
        ):
            said[name] = getattr(self, name)
        said["realigned"] = float(self.realigned)
        for side, frame in (("science", self.science), ("reference", self.reference)):
            said |= {f"fwhm_{side}": frame.fwhm, f"psf_{side}_from": frame.psf_from}
            said |= {f"psf_width_error_{side}": frame.psf_width_error, f"psf_chi2_{side}": frame.psf_chi2}
            said |= {f"psf_stars_{side}": frame.psf_stars, f"background_{side}": frame.background}
            said |= {f"mjd_{side}": frame.mjd, f"no_data_{side}": frame.no_data}
            said[f"header_{side}"] = {name: dict(part) for name, part in frame.header.items()}
            said |= {f"{side}_{name}": value for name, value in frame.noise.figures().items()}
        return said | {"warnings": list(self.warnings)}


def frame_quality(image: Image, psf: PsfEstimate, noise: ImageNoise, chi2: pd.Series | None) -> FrameQuality:
    """The record of a frame without its sky.

    Args:
        image: the frame.
        psf: of it.
        noise: of blank sky.
        chi2: of the matched stars against the PSF; None or empty without.
    """
    assert image.sky is not None  # set by Subtraction.flat
    return FrameQuality(
        fwhm=psf.fwhm,
        psf_from=psf.source,
        psf_stars=psf.n_stars,
        background=image.sky,
        mjd=image.mjd,
        noise=noise,
        psf_width_error=psf.width_error,
        psf_chi2=None if chi2 is None or not len(chi2) else float(chi2.median()),
        no_data=image.no_data,
        header=image.header,
    )


def doubts(*images: Image) -> tuple[str, ...]:
    """Sentences for the user on what contradicts the frames' headers, or is missing there, and is used nevertheless."""
    said = [f"{image.name}: {name}: {why}" for image in images for name, why in image.header.get("doubted", {}).items()]
    said += [
        f"{image.name}: no gain is known: the photon noise of sources themselves is not counted, say gain (e-/unit)"
        for image in images
        if not image.gain_known and not image.variance_includes_source
    ]
    return tuple(said)
