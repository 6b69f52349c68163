"""The tables that everything about ramps shares: classes and data-quality bits."""

from __future__ import annotations

from typing import Final

BACKGROUND: Final = 0
COSMIC_RAY: Final = 1
TELEGRAPH_NOISE: Final = 2
SNOWBALL: Final = 3

CLASS_NAMES: Final[tuple[str, ...]] = ("background", "cosmic_ray", "telegraph_noise", "snowball")
ANOMALIES: Final[tuple[str, ...]] = CLASS_NAMES[1:]

# The bits of the JWST pipeline and stcal.
DO_NOT_USE: Final = 1
SATURATED: Final = 2
JUMP_DET: Final = 4
NO_GAIN_VALUE: Final = 8
PERSISTENCE: Final = 32
REFERENCE_PIXEL: Final = 2**31

UNUSABLE: Final = DO_NOT_USE | SATURATED
