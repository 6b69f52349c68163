"""Five flags of a position: near the Galactic plane, or in one of LSST's deep drilling fields."""

from __future__ import annotations

import numpy as np

from astrid_ml.sky import unit_vectors
from astrid_ml.types import Array, Floats

# Rows of the rotation from ICRS to galactic coordinates (Hipparcos catalogue, volume 1, equation 1.5.11).
_TO_GALACTIC = np.array(
    [
        [-0.0548755604, -0.8734370902, -0.4838350155],
        [+0.4941094279, -0.4448296300, +0.7469822445],
        [-0.8676661490, -0.1980763734, +0.4559837762],
    ]
)
PLANE_DEGREES = 15.0
FIELD_RADIUS_DEGREES = 1.75
# Galactic longitude and latitude of the fields' centres, degrees.
FIELDS = {
    "ELAIS_S1_flag": (311.30, -72.90),
    "XMM-LSS_flag": (171.20, -58.77),
    "Extended_Chandra_Deep_Field-South_flag": (224.07, -54.47),
    "COSMOS_flag": (236.83, 42.09),
}
ENGINEERED_FEATURES = ("MW_plane_flag", *FIELDS)


def sky_flags(ra: Array, dec: Array) -> dict[str, Floats]:
    """Flags (0 or 1) by name, each (n,); NaN where a position is not known.

    Args:
        ra: degrees (ICRS), shape (n,).
        dec: degrees, shape (n,).
    """
    equatorial = unit_vectors(np.stack([ra, dec], axis=1).astype(np.float64))
    galactic = equatorial @ _TO_GALACTIC.T
    unknown = ~np.isfinite(galactic).all(axis=1)
    near = {"MW_plane_flag": np.abs(galactic[:, 2]) < np.sin(np.radians(PLANE_DEGREES))}
    for name, (longitude, latitude) in FIELDS.items():
        centre = unit_vectors(np.array([[longitude, latitude]]))[0]
        near[name] = galactic @ centre > np.cos(np.radians(FIELD_RADIUS_DEGREES))
    return {name: np.where(unknown, np.nan, inside.astype(np.float64)) for name, inside in near.items()}
