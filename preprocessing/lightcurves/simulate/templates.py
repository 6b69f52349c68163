"""Parametric templates of 19 classes of variable objects: fluxes over time and wavelength, on whole arrays.

These are simple shapes with the colours, speeds and brightnesses of their classes, not the models of ELAsTiCC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.types import Floats

C2 = 14387.77  # hc/k in um K


@dataclass(frozen=True)
class Transient:
    """An explosion: exponential rise and fall (Bazin et al. 2009), a cooling black body, perhaps a plateau.

    Args:
        label: the survey's name of the class.
        share: relative frequency.
        peak: absolute AB magnitude at peak near 0.5 um, and its spread.
        rise: days (rest frame), and its relative spread.
        fall: days, and its relative spread.
        plateau: days between rise and fall.
        hot: temperature at peak, K.
        cool: temperature that it tends to, K.
        cooling: days.
        redshift: largest redshift.
        blue_deficit: magnitudes lost below 0.4 um rest frame (line blanketing).
        bump: height of a second maximum in the red, relative to the first.
    """

    label: str
    share: float
    peak: tuple[float, float]
    rise: tuple[float, float]
    fall: tuple[float, float]
    hot: float
    cool: float
    cooling: float
    redshift: float
    plateau: float = 0.0
    blue_deficit: float = 0.0
    bump: float = 0.0


TRANSIENTS = (
    Transient("SNIa-SALT3", 2.0, (-19.3, 0.15), (3.8, 0.12), (17, 0.15), 12500, 5200, 22, 0.7, 0, 1.2, 0.35),
    Transient("SNIa-91bg", 0.7, (-17.6, 0.35), (3.0, 0.12), (11, 0.15), 8500, 4600, 14, 0.35, 0, 1.6, 0.05),
    Transient("SNIax", 0.7, (-16.9, 0.8), (3.0, 0.25), (15, 0.25), 11500, 5000, 13, 0.3, 0, 1.0, 0.0),
    Transient("SNIb-Templates", 1.0, (-17.3, 0.6), (4.5, 0.25), (19, 0.25), 9000, 5000, 17, 0.35, 0, 1.2, 0.08),
    Transient("SNII-NMF", 2.0, (-16.9, 0.9), (2.5, 0.4), (28, 0.4), 14000, 5800, 16, 0.35, 65, 0.7, 0.0),
    Transient("SLSN-I+host", 0.8, (-21.6, 0.5), (11, 0.35), (42, 0.35), 15000, 7000, 55, 1.6, 4, 0.3, 0.0),
    Transient("TDE", 0.8, (-19.6, 0.8), (8.5, 0.3), (38, 0.4), 24000, 20000, 400, 0.6, 2, 0.0, 0.0),
    Transient("ILOT", 0.6, (-13.2, 1.2), (3.0, 0.4), (26, 0.5), 6200, 4200, 40, 0.04, 22, 0.5, 0.0),
    Transient("CART", 0.6, (-15.7, 0.7), (2.8, 0.25), (12, 0.3), 7200, 3900, 11, 0.12, 0, 1.4, 0.0),
    Transient("PISN", 0.6, (-20.6, 0.6), (28, 0.25), (70, 0.3), 11000, 5200, 110, 1.0, 15, 0.9, 0.0),
    Transient("KN_K17", 0.6, (-15.6, 0.8), (0.35, 0.4), (2.3, 0.4), 9500, 2600, 1.6, 0.08, 0, 0.6, 0.0),
)
# Galactic classes and AGN: label -> share. Their shapes are the functions below.
OTHERS = {
    "dwarf-nova": 0.8, "Mdwarf-flare": 0.8, "uLens-Single_PyLIMA": 0.8, "Cepheid": 0.8, "RRL": 1.2, "d-Sct": 0.8,
    "EB": 1.2, "CLAGN": 1.2,
}  # fmt: skip


def planck_colour(wavelength: Floats, temperature: Floats, reference: float = 0.5) -> Floats:
    """B_nu(T) at a wavelength relative to the one at ``reference`` micrometres (AB fluxes are per frequency)."""

    def intensity(x: Floats | float) -> Floats:
        return np.asarray(x, dtype=np.float64) ** -3 / np.expm1(np.clip(C2 / (x * temperature), 1e-6, 200))

    return intensity(wavelength) / intensity(reference)


def bazin(t: Floats, rise: Floats, fall: Floats, plateau: Floats) -> Floats:
    """Rise and fall with peak near 1: 1 / (1 + exp(-t / rise)) times a flat stretch and an exponential fall."""
    up = 1 / (1 + np.exp(np.clip(-t / rise, -60, 60)))
    after = np.clip(t - plateau, 0, None)
    soft = 1 / (1 + np.exp(np.clip((t - plateau) / (0.2 * fall) - 8, -60, 60)))
    down = np.exp(-after / fall) * np.where(plateau > 0, 0.25 + 0.75 * soft, 1.0)
    slope = np.where(plateau > 0, np.exp(-np.clip(t, 0, None) / (6 * fall)), 1.0)
    peak_at = rise * np.log(np.maximum(fall / rise - 1, 0.2))
    norm = np.exp(-np.clip(peak_at - plateau, 0, None) / fall) / (1 + np.exp(-peak_at / rise))
    out: Floats = up * down * slope / norm
    return out


def transient_flux(kind: Transient, shape: dict[str, Floats], z: Floats, t: Floats, wavelength: Floats) -> Floats:
    """(1 + z) L_nu(nu (1 + z)) relative to L_nu at peak near 0.5 um rest frame, shape (n, E).

    With the luminosity distance that is the observed F_nu (Hogg 1999, arXiv:astro-ph/9905116, equation 22): the
    K-correction and the narrower frequencies are in it.

    Args:
        kind: the class.
        shape: template parameters, each (n, 1): ``rise, fall, heat, bump``.
        z: (n, 1).
        t: (n, E) observed days since explosion's half-light.
        wavelength: (n, E) micrometres, observed.
    """
    rest, wave = t / (1 + z), wavelength / (1 + z)
    light = bazin(rest, kind.rise[0] * shape["rise"], kind.fall[0] * shape["fall"], kind.plateau * shape["fall"])
    temperature = shape["heat"] * (
        kind.cool + (kind.hot - kind.cool) * np.exp(-np.clip(rest, -10, None) / kind.cooling)
    )
    colour = planck_colour(wave, np.clip(temperature, 1500, 60000))
    blanket = 10 ** (-0.4 * kind.blue_deficit * np.clip((0.4 - wave) / 0.1, 0, 2.5))
    second = (
        kind.bump
        * shape["bump"]
        * np.exp(-(((rest - 30 * shape["fall"]) / 8) ** 2))
        * np.clip((wave - 0.55) / 0.2, 0, 1)
    )
    luminosity: Floats = np.clip(colour * blanket * (light + second), 0, 50)
    return (1 + z) * luminosity


def dwarf_nova(shape: dict[str, Floats], t: Floats, wavelength: Floats) -> Floats:
    """Repeated outbursts of some days: fast rise, flat top, exponential end; blue."""
    phase = np.mod(t, 40 + 160 * shape["b"])
    width = 3 + 8 * shape["a"]
    light = 1 / (1 + np.exp(np.clip(-(phase - 2) / 0.4, -60, 60))) * np.exp(-np.clip(phase - width, 0, None) / 1.8)
    return light * planck_colour(wavelength, 11000 + 6000 * shape["c"])


def flare(shape: dict[str, Floats], t: Floats, wavelength: Floats) -> Floats:
    """An M dwarf's flares: minutes to hours, 10,000 K, at random times many days apart."""
    period = 8 + 40 * shape["a"]
    phase = np.mod(t, period)
    light = np.where(phase >= 0, np.exp(-phase / (0.03 + 0.12 * shape["b"])), 0.0)
    return light * planck_colour(wavelength, 9000 + 3000 * shape["c"])


def microlens(shape: dict[str, Floats], t: Floats, wavelength: Floats) -> Floats:
    """Magnification minus 1 (Paczynski 1986) of a cool star: no change of colour."""
    crossing = 8 * 10 ** (1.1 * shape["a"])
    u = np.sqrt((0.05 + 0.6 * shape["b"]) ** 2 + ((t - 2 * crossing) / crossing) ** 2)
    out: Floats = ((u**2 + 2) / (u * np.sqrt(u**2 + 4)) - 1) / 3 * planck_colour(wavelength, 4200 + 1800 * shape["c"])
    return out


def pulsator(low: float, high: float, skew: float, shape: dict[str, Floats], t: Floats, wavelength: Floats) -> Floats:
    """A skewed periodic curve about its mean, larger in the blue. Periods from ``low`` to ``high`` days."""
    period = low * (high / low) ** shape["a"]
    x = 2 * np.pi * (t / period + shape["phase"])
    steep = skew * (0.6 + 0.8 * shape["b"])
    curve = np.sum([(-1) ** k * steep ** (k - 1) * np.sin(k * x) / k for k in range(1, 5)], axis=0)
    amplitude = (0.25 + 0.35 * shape["c"]) * (0.5 / wavelength) ** 0.9
    out: Floats = amplitude * curve * planck_colour(wavelength, np.full_like(period, 6800))
    return out


def eclipsing(shape: dict[str, Floats], t: Floats, wavelength: Floats) -> Floats:
    """Two eclipses in a period; flux relative to out of eclipse."""
    period = 0.3 * 30 ** shape["a"]
    phase = np.mod(t / period + shape["phase"], 1.0)
    width = 0.02 + 0.06 * shape["b"]
    deep = np.exp(-((np.minimum(phase, 1 - phase) / width) ** 2))
    other = np.exp(-(((phase - 0.5) / width) ** 2))
    light = -0.7 * (0.3 + 0.7 * shape["c"]) * (deep + shape["d"] * other)
    out: Floats = light * planck_colour(wavelength, 5500 + 2500 * shape["c"])
    return out


def random_walk(shape: dict[str, Floats], t: Floats, wavelength: Floats, random: np.random.Generator) -> Floats:
    """A damped random walk (Kelly et al. 2009) in log flux, minus the level at walk 0, times a blue power law.

    Args:
        shape: ``a`` sets the time scale (30 to 600 days), ``b`` the amplitude.
        t: (n, E) days, ascending.
        wavelength: (n, E) micrometres.
        random: of the walk's steps.
    """
    tau, sigma = 30 * 20 ** shape["a"], 0.15 + 0.35 * shape["b"]
    walk = np.zeros_like(t)
    walk[:, 0] = random.normal(size=len(t)) * sigma[:, 0]
    for step in range(1, t.shape[1]):
        keep = np.exp(-np.clip(t[:, step] - t[:, step - 1], 0, None) / tau[:, 0])
        walk[:, step] = walk[:, step - 1] * keep + sigma[:, 0] * np.sqrt(1 - keep**2) * random.normal(size=len(t))
    out: Floats = (np.exp(walk) - 1) * (wavelength / 0.5) ** -0.3
    return out


def galactic_flux(
    label: str, shape: dict[str, Floats], t: Floats, wavelength: Floats, random: np.random.Generator
) -> Floats:
    """The shape of a class of ``OTHERS``, (n, E), in units of the object's flux scale."""
    if label == "dwarf-nova":
        return dwarf_nova(shape, t, wavelength)
    if label == "Mdwarf-flare":
        return flare(shape, t, wavelength)
    if label == "uLens-Single_PyLIMA":
        return microlens(shape, t, wavelength)
    if label == "EB":
        return eclipsing(shape, t, wavelength)
    if label == "CLAGN":
        return random_walk(shape, t, wavelength, random)
    low, high, skew = {"Cepheid": (2.0, 45.0, 0.55), "RRL": (0.3, 0.85, 0.7), "d-Sct": (0.04, 0.22, 0.25)}[label]
    return pulsator(low, high, skew, shape, t, wavelength)


# Steady light of stars and AGN in units of the flux scale of their changes, and its temperature in K.
_STEADY = {
    "dwarf-nova": (0.03, 9000.0), "Mdwarf-flare": (0.3, 3200.0), "uLens-Single_PyLIMA": (1 / 3, 5000.0),
    "Cepheid": (1.0, 6800.0), "RRL": (1.0, 6800.0), "d-Sct": (1.0, 6800.0), "EB": (1.0, 6500.0),
}  # fmt: skip


def steady_flux(label: str, wavelength: Floats) -> Floats:
    """What does not change of a class of ``OTHERS``, (n, E), in units of the object's flux scale.

    Args:
        label: the class.
        wavelength: (n, E) micrometres.
    """
    if label == "CLAGN":
        out: Floats = (wavelength / 0.5) ** -0.3
        return out
    level, temperature = _STEADY[label]
    return level * planck_colour(wavelength, np.full_like(wavelength, temperature))
