"""Four missions, each with its own pixels, PSF, noise and depth (rounded public values)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mission:
    """What a stamp of this mission looks like.

    Args:
        name: of the mission.
        pixel_scale: arcsec.
        fwhm: of the science PSF, pixels: (smallest, largest).
        beta: of the Moffat wings.
        sky: background level of the science image, electrons a pixel.
        read_noise: electrons.
        reference_depth: the reference's exposure over the science image's.
        filters: names.
    """

    name: str
    pixel_scale: float
    fwhm: tuple[float, float]
    beta: float
    sky: float
    read_noise: float
    reference_depth: float
    filters: tuple[str, ...]


MISSIONS: dict[str, Mission] = {
    mission.name: mission
    for mission in (
        Mission("ZTF", 1.01, (1.7, 2.8), 3.0, 320.0, 8.0, 15.0, ("g", "r", "i")),
        Mission("PS1", 0.258, (3.6, 5.2), 2.8, 900.0, 6.0, 12.0, ("g", "r", "i", "z", "y")),
        Mission("SWIFT", 1.0, (2.3, 2.8), 3.5, 12.0, 0.0, 2.0, ("uvw2", "uvm2", "uvw1", "u", "b", "v")),
        Mission("GALEX", 1.5, (2.8, 3.8), 3.2, 4.0, 0.0, 3.0, ("FUV", "NUV")),
    )
}
