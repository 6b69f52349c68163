"""Names of filters and their effective wavelengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from astrid_ml.types import Floats32

# Micrometres. LSST ugrizY (Ivezic et al. 2019, ApJ 873, 111), Bessell UBVRI and 2MASS JHK (SVO filter service).
WAVELENGTHS: dict[str, float] = {
    "u": 0.3671, "g": 0.4827, "r": 0.6223, "i": 0.7546, "z": 0.8691, "y": 0.9712, "Y": 0.9712,
    "U": 0.3663, "B": 0.4361, "V": 0.5448, "R": 0.6407, "I": 0.7980, "J": 1.235, "H": 1.662, "K": 2.159,
}  # fmt: skip
# Passband numbers of PLAsTiCC and filter numbers of ZTF.
PLASTICC = {0: "u", 1: "g", 2: "r", 3: "i", 4: "z", 5: "Y"}
ZTF = {1: "g", 2: "r", 3: "i"}


def wavelength_of(name: str, wavelengths: Mapping[str, float] | None = None) -> float:
    """Effective wavelength of a band in micrometres; NaN where nothing is known of it.

    Args:
        name: as in the file: ``g``, ``lsstg``, ``CSP-B/e`` (system, filter and SNANA's one character).
        wavelengths: the user's wavelengths by name, asked first.
    """
    name = name.strip()
    if wavelengths and name in wavelengths:
        return float(wavelengths[name])
    # SNANA's one character is only a label (e is B of CSP): the filter is named before the slash.
    filter_name = name.split("/")[0].split("-")[-1].removeprefix("lsst")
    if wavelengths and filter_name in wavelengths:
        return float(wavelengths[filter_name])
    # r1, V0 and the like are one filter on several detectors.
    return WAVELENGTHS.get(filter_name, WAVELENGTHS.get(filter_name[:1] if filter_name[1:].isdigit() else "", np.nan))


def short_name(name: str) -> str:
    """The name without padding, survey prefix and system: ``lsstg`` -> ``g``; ``CSP-B/e`` -> ``e``."""
    name = name.strip()
    return name.split("/")[-1].strip() if "/" in name else name.removeprefix("lsst")


def wavelengths_of(names: Sequence[str], wavelengths: Mapping[str, float] | None = None) -> Floats32:
    """Wavelengths of several bands, shape (n,)."""
    return np.array([wavelength_of(name, wavelengths) for name in names], dtype=np.float32)
