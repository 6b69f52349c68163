"""Where simulated objects lie: redshifts, hosts, dust, photometric redshifts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.types import Floats, Mask

MISSING = -9.0
LIGHT, HUBBLE, MATTER = 299792.458, 70.0, 0.3  # km/s, km/s/Mpc, share of matter
MATCH = 5.0  # arcsec within which a catalogue takes a galaxy for the host
# Apparent magnitude of an object's flux scale: the middle and the spread.
_BRIGHTNESS = {
    "dwarf-nova": (19.5, 1.5), "Mdwarf-flare": (19.5, 1.5), "uLens-Single_PyLIMA": (20.0, 1.3), "Cepheid": (18.3, 1.2),
    "RRL": (19.5, 1.4), "d-Sct": (19.0, 1.2), "EB": (19.5, 1.4), "CLAGN": (20.5, 1.0),
}  # fmt: skip


def distance_modulus(z: Floats) -> Floats:
    """Flat LCDM (H0 = 70, Om = 0.3, no radiation) in magnitudes, at any redshift in closed form.

    The comoving distance is a difference of hypergeometric functions (Baes, Camps and Van De Putte 2017,
    arXiv:1702.08860, equation 24).

    Args:
        z: (n,); NaN stays NaN.
    """
    from scipy.special import hyp2f1

    scale = (1 / MATTER - 1) ** (1 / 3)
    far = np.maximum(np.asarray(z, dtype=np.float64), 0.0) + 1

    def integral(x: Floats) -> Floats:
        out: Floats = 2 * np.sqrt(x) * hyp2f1(1 / 6, 1 / 2, 7 / 6, -(x**3))
        return out

    distance = LIGHT / HUBBLE / np.sqrt(scale * MATTER) * (integral(np.asarray(scale)) - integral(scale / far))
    out: Floats = 5 * np.log10(np.maximum(distance * far, 1e-3)) + 25
    return out


def stretched(z: Floats) -> Floats:
    """Magnitudes that the narrower frequencies make an object brighter, (n,): F_nu = (1 + z) L_nu / (4 pi d_L^2)."""
    out: Floats = 2.5 * np.log10(1 + np.asarray(z, dtype=np.float64))
    return out


def extragalactic(
    n: int, z_max: float, peak: tuple[float, float], random: np.random.Generator, hostless: float = 0.0
) -> tuple[pd.DataFrame, Floats, Floats]:
    """Header columns, redshifts and magnitudes of L_nu at peak as seen from d_L, without the factor (1 + z) of F_nu.

    Args:
        n: transients.
        z_max: largest redshift.
        peak: absolute magnitude, and its spread.
        random: of everything.
        hostless: share whose host nobody knows.
    """
    z = z_max * random.uniform(0.02, 1, n) ** (1 / 2.2)
    magnitude = peak[0] + random.normal(0, peak[1], n) + distance_modulus(z)
    head = sky(n, random, galactic_plane=False)
    return pd.concat([head, some(host(z, random), random.random(n) >= hostless)], axis=1), z, magnitude


def galactic(
    label: str, n: int, random: np.random.Generator, chance: float = 0.1, hostless: float = 0.0
) -> tuple[pd.DataFrame, Floats]:
    """Header columns and apparent magnitudes of the flux scale for stars and AGN.

    Args:
        label: the class.
        n: objects.
        random: of everything.
        chance: share of stars with a galaxy behind them.
        hostless: share of AGN whose host nobody knows.
    """
    middle, spread = _BRIGHTNESS[label]
    magnitude = random.normal(middle, spread, n).clip(15.5, 23.5)
    if label == "CLAGN":
        nucleus = host(random.uniform(0.05, 1.2, n), random, nuclear=True)
        return pd.concat([sky(n, random, False), some(nucleus, random.random(n) >= hostless)], axis=1), magnitude
    behind = host(random.uniform(0.05, 1.2, n), random)
    # A galaxy that happens to be there stands anywhere within the radius of the match.
    behind["HOSTGAL_SNSEP"] = MATCH * np.sqrt(random.uniform(0, 1, n))
    return pd.concat([sky(n, random, galactic_plane=True), some(behind, random.random(n) < chance)], axis=1), magnitude


def some(hosts: pd.DataFrame, there: Mask) -> pd.DataFrame:
    """The hosts of those objects that have one, (n,); SNANA's -9 for the others."""
    return hosts.where(pd.Series(there), MISSING, axis=0)


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
    absolute = -20.5 + random.normal(0, 1.1, n)
    magnitude = absolute + distance_modulus(z) - stretched(z)
    spec = (random.random(n) < 0.5) & (magnitude < 20.5)
    columns = {
        "HOSTGAL_PHOTOZ": photo, "HOSTGAL_PHOTOZ_ERR": 0.03 * (1 + photo) * random.lognormal(0, 0.3, n),
        "HOSTGAL_SPECZ": np.where(spec, z, MISSING), "HOSTGAL_SPECZ_ERR": np.where(spec, 1e-4, MISSING),
        "HOSTGAL_SNSEP": random.exponential(0.05 if nuclear else 0.8, n) / (0.3 + z),
        "HOSTGAL_ELLIPTICITY": random.beta(2, 4, n),
        "HOSTGAL_LOGMASS": 10 - 0.4 * (absolute + 20.5),
    }  # fmt: skip
    colours = {"u": 1.6, "g": 0.6, "r": 0.0, "i": -0.3, "z": -0.45, "Y": -0.55}
    for band, colour in colours.items():
        columns[f"HOSTGAL_MAG_{band}"] = magnitude + colour * (1 + 0.4 * z) + random.normal(0, 0.15, n)
    return pd.DataFrame(columns)
