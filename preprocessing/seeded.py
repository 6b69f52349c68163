"""Names of what is simulated: those of two seeds or settings are never alike, since the samples are not either.

Files keep theirs: a manifest says what a pair is called.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, replace
from typing import Any

from astrid_ml.fingerprint import fingerprint
from astrid_ml.identity import MARK, MARK_LENGTH

USUAL = 1  # of configurations: its names stay as they always were, and so do its samples' sets
EACH_ALONE = ("n",)  # of simulators that draw each pair, job or exposure from a stream of its own


def seeded(name: str, seed: int, mark: str = "") -> str:
    """A name that tells the seed, unless that is the usual one, and the settings.

    Args:
        name: of what is simulated, before its number.
        seed: of the simulation, ``data.seed``.
        mark: of :func:`settings_mark`.

    Example:
        >>> seeded("ztf", 1), seeded("ztf", 2), seeded("ztf", 2, "1a2b3c4d")
        ('ztf', 'ztf-s2', 'ztf-s2-x1a2b3c4d')
    """
    told = name if seed == USUAL else f"{name}-s{seed}"
    return f"{told}{MARK}{mark}" if mark else told


def settings_mark(simulator: Any, seed: int, free: tuple[str, ...] = (), told: str = "") -> str:
    """What tells the samples of these settings and this seed from those of others; empty where all is as by default.

    Splits do not look at it (:func:`astrid_ml.identity.unmarked`).

    Args:
        simulator: a dataclass.
        seed: of the simulation.
        free: fields that say how many there are, or where a file lies, and change none of them.
        told: what else decides, as the digest of such a file.
    """
    needed = {item.name: getattr(simulator, item.name) for item in fields(simulator) if _is_needed(item)}
    usual = type(simulator)(**needed)
    found = fingerprint(replace(simulator, **{name: getattr(usual, name) for name in free}), seed, told)
    return "" if found == fingerprint(usual, USUAL, "") and not needed else found[:MARK_LENGTH]


def _is_needed(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def named_as(file: str, word: str, told: str) -> str:
    """What a pair is called whose file keeps its name: the same but for what is told, so that its set is the same.

    Args:
        file: name of its science image, which begins with ``word``.
        word: of the simulation.
        told: what stands in its place, from :func:`seeded`.

    Example:
        >>> named_as("ztf_00003_science_sciimg.fits", "ztf", "ztf-x1a2b3c4d")
        'ztf-x1a2b3c4d_00003_science_sciimg'
    """
    return told + file.split(".")[0].removeprefix(word)


def as_offset(mark: str, step: int) -> int:
    """A mark where names are numbers: a multiple of ``step``, 0 of the usual settings; below 1.1e6 steps.

    Example:
        >>> as_offset("", 1000), as_offset("00002fff", 1000)
        (0, 3000)
    """
    return step * (1 + int(mark[:5], 16)) if mark else 0
