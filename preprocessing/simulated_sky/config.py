"""What a simulated sky holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from astrid_ml.preprocessing.simulated_sky.artefacts import (
    Artefacts,
)


@dataclass(frozen=True)
class SkyConfig:
    """A pair's sky and detectors. Counts are per Mpx; sizes in pixels; fluxes and sky in e- of the science image.

    Pairs (a, b) are science and reference.

    Args:
        shape: (H, W).
        fwhm, beta: Moffat PSFs; the response of the pixel included.
        flux_ratio: science / reference, in e-.
        shift, rotation: of the reference's grid, px and degrees; the WCS knows of them.
        pixel_scale: arcsec, of the science image.
        stars, galaxies: static sources.
        transients: new sources.
        in_galaxies: share of them in galaxies, one in five of those at the nucleus.
        snr: range of ``snr_opt`` of everything that changes (log-uniform).
        star_flux: range, e-, with dN/dF ~ F^-1.8.
        sky: background of (a, b), e- per pixel.
        read_noise: of (a, b), e- per pixel.
        saturation: full well, e-.
        saturation_reference: the reference's where it differs.
        scale: reference / science pixel scale.
        galaxy_flux: range, e-, log-uniform.
        galaxy_radius: range of half-light radii, px.
        ellipticity: 1 - b/a of the PSFs, each along an angle of its own.
        variation: growth of the PSFs' width to the corners (``Psf.variation``).
        distortion: px; largest misregistration that the WCS does not know of, smooth over the field.
        variables, vanished, moving: stars that vary, sources of the reference only, sources that moved.
        separation: px; least distance between things that change.
        margin: px from the edge within which nothing changes.
        zero_point: AB magnitude of one e- in the science image.
        centre: RA, Dec (degrees) of the field.
        artefacts: of detectors and sky.
    """

    shape: tuple[int, int] = (1024, 1024)
    fwhm: tuple[float, float] = (3.4, 2.6)
    beta: float = 3.5
    flux_ratio: float = 1.25
    shift: tuple[float, float] = (0.37, -0.21)
    rotation: float = 0.02
    pixel_scale: float = 1.0
    stars: float = 1500.0
    galaxies: float = 120.0
    transients: float = 60.0
    in_galaxies: float = 0.5
    snr: tuple[float, float] = (4.0, 40.0)
    star_flux: tuple[float, float] = (200.0, 3e5)
    sky: tuple[float, float] = (200.0, 200.0)
    read_noise: tuple[float, float] = (5.0, 5.0)
    saturation: float = 1e5
    saturation_reference: float | None = None
    scale: float = 1.0
    galaxy_flux: tuple[float, float] = (10**3.3, 10**4.8)
    galaxy_radius: tuple[float, float] = (1.5, 7.0)
    ellipticity: tuple[float, float] = (0.0, 0.0)
    variation: tuple[float, float] = (0.0, 0.0)
    distortion: float = 0.0
    variables: float = 0.0
    vanished: float = 0.0
    moving: float = 0.0
    separation: float = 12.0
    margin: float = 32.0
    zero_point: float = 25.0
    centre: tuple[float, float] = (150.0, 20.0)
    artefacts: Artefacts = field(default_factory=Artefacts)

    def full_well(self, i: int) -> float:
        """Saturation (e-) of the science (0) or the reference (1)."""
        return self.saturation if i == 0 or self.saturation_reference is None else self.saturation_reference
