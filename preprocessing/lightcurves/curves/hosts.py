"""Where simulated objects lie: redshifts, hosts, dust, photometric redshifts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.types import Floats

MISSING = -9.0
# Apparent magnitude of an object's flux scale: the middle and the spread.
_BRIGHTNESS = {
    "dwarf-nova": (19.5, 1.5), "Mdwarf-flare": (19.5, 1.5), "uLens-Single_PyLIMA": (20.0, 1.3), "Cepheid": (18.3, 1.2),
    "RRL": (19.5, 1.4), "d-Sct": (19.0, 1.2), "EB": (19.5, 1.4), "CLAGN": (20.5, 1.0),
}  # fmt: skip


def distance_modulus(z: Floats) -> Floats:
    """Flat LCDM (H0 = 70, Om = 0.3), in magnitudes."""
    grid = np.linspace(0, 3, 3001)
    inverse = 1 / np.sqrt(0.3 * (1 + grid) ** 3 + 0.7)
    distance = 299792.458 / 70 * np.concatenate([[0], np.cumsum((inverse[1:] + inverse[:-1]) / 2 * np.diff(grid))])
    out: Floats = 5 * np.log10(np.maximum(np.interp(z, grid, distance) * (1 + z), 1e-3)) + 25
    return out


def extragalactic(
    n: int, z_max: float, peak: tuple[float, float], random: np.random.Generator
) -> tuple[pd.DataFrame, Floats, Floats]:
    """Header columns, redshifts and apparent peak magnitudes of transients in galaxies."""
    z = z_max * random.uniform(0.02, 1, n) ** (1 / 2.2)
    magnitude = peak[0] + random.normal(0, peak[1], n) + distance_modulus(z)
    head = sky(n, random, galactic_plane=False)
    return pd.concat([head, host(z, random)], axis=1), z, magnitude


def galactic(label: str, n: int, random: np.random.Generator) -> tuple[pd.DataFrame, Floats]:
    """Header columns and apparent magnitudes of the flux scale for stars and AGN."""
    middle, spread = _BRIGHTNESS[label]
    magnitude = random.normal(middle, spread, n).clip(15.5, 23.5)
    if label == "CLAGN":
        head = pd.concat([sky(n, random, False), host(random.uniform(0.05, 1.2, n), random, nuclear=True)], axis=1)
        return head, magnitude
    head = sky(n, random, galactic_plane=True)
    nobody = host(np.full(n, 0.3), random)
    # Stars have no host; one in ten has a galaxy by chance nearby.
    chance = random.random(n) < 0.1
    return pd.concat([head, nobody.where(pd.Series(chance), MISSING, axis=0)], axis=1), magnitude


def sky(n: int, random: np.random.Generator, galactic_plane: bool) -> pd.DataFrame:
    """Positions and dust; stars stand in dustier places."""
    dust = random.lognormal(np.log(0.09 if galactic_plane else 0.04), 0.7, n).clip(0.003, 1.5)
    dec = np.degrees(np.arcsin(random.uniform(np.sin(np.radians(-70)), np.sin(np.radians(10)), n)))
    columns = {"RA": random.uniform(0, 360, n), "DEC": dec, "MWEBV": dust, "MWEBV_ERR": 0.16 * dust}
    return pd.DataFrame({**columns, "REDSHIFT_HELIO": MISSING, "REDSHIFT_HELIO_ERR": MISSING})


def host(z: Floats, random: np.random.Generator, nuclear: bool = False) -> pd.DataFrame:
    """Host galaxies: photometric redshift with outliers, a spectroscopic one for some of the bright, magnitudes."""
    n = len(z)
    photo = z + 0.03 * (1 + z) * random.normal(size=n)
    lost = random.random(n) < 0.06
    photo = np.where(lost, random.uniform(0.05, 1.8, n), photo).clip(0.005, 3)
    magnitude = -20.5 + random.normal(0, 1.1, n) + distance_modulus(z)
    spec = (random.random(n) < 0.5) & (magnitude < 20.5)
    columns = {
        "HOSTGAL_PHOTOZ": photo, "HOSTGAL_PHOTOZ_ERR": 0.03 * (1 + photo) * random.lognormal(0, 0.3, n),
        "HOSTGAL_SPECZ": np.where(spec, z, MISSING), "HOSTGAL_SPECZ_ERR": np.where(spec, 1e-4, MISSING),
        "HOSTGAL_SNSEP": random.exponential(0.05 if nuclear else 0.8, n) / (0.3 + z),
        "HOSTGAL_ELLIPTICITY": random.beta(2, 4, n),
        "HOSTGAL_LOGMASS": 10 - 0.4 * (magnitude - distance_modulus(z) + 20.5),
    }  # fmt: skip
    colours = {"u": 1.6, "g": 0.6, "r": 0.0, "i": -0.3, "z": -0.45, "Y": -0.55}
    for band, colour in colours.items():
        columns[f"HOSTGAL_MAG_{band}"] = magnitude + colour * (1 + 0.4 * z) + random.normal(0, 0.15, n)
    return pd.DataFrame(columns)
