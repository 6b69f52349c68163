"""Names of what is simulated: those of two seeds are never alike, since the samples are not either.

Files keep theirs: a manifest says what a pair is called.
"""

from __future__ import annotations

USUAL = 1  # of configurations: its names stay as they always were, and so do its samples' sets


def seeded(name: str, seed: int) -> str:
    """A name that tells the seed, unless that is the usual one.

    Args:
        name: of what is simulated, before its number.
        seed: of the simulation, ``data.seed``.

    Example:
        >>> seeded("ztf", 1), seeded("ztf", 2)
        ('ztf', 'ztf-s2')
    """
    return name if seed == USUAL else f"{name}-s{seed}"
