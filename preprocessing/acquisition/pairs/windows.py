"""When an image shows a target and when it does not: by a date of discovery, or by where a moving object was."""

from __future__ import annotations

from dataclasses import dataclass

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
from astrid_ml.preprocessing.acquisition.targets.moving import MovingTarget
from astrid_ml.types import NonNegative

SCIENCE, REFERENCE, EITHER = "science", "reference", "either"


@dataclass(frozen=True)
class LightWindows:
    """Days around the discovery.

    Args:
        rise: a supernova may shine so long before it was discovered: an image of then is no reference.
        fade: so long after the discovery it is looked for in science images.
        gone: so long after the discovery its light is gone, and images are references again.
    """

    rise: NonNegative = 30.0
    fade: NonNegative = 200.0
    gone: NonNegative = 365.25

    def __post_init__(self) -> None:
        if self.rise < 0 or not 0 < self.fade <= self.gone:
            got = f"rise={self.rise}, fade={self.fade}, gone={self.gone}"
            raise UserError(
                "rise of at least 0, and fade above 0, at most gone",
                got,
                "for instance acquisition.pairs.windows.fade=200",
            )

    def role(self, observation: Observation, discovered: float | None) -> tuple[str | None, str]:
        """What an observation is good for: science, reference, either or nothing; and why.

        Args:
            observation: of an archive; a sum of exposures counts from its first to its last.
            discovered: MJD; None where nothing was discovered: any epoch may be either.

        Example:
            >>> one = Observation("mast", "galex", "NUV", "a", 1.0, 2.0, start=56000.0, end=56000.1)
            >>> LightWindows().role(one, 56010.0), LightWindows().role(one, 56100.0)
            ((None, 'perhaps before the discovery, with its light'), ('reference', 'before its light'))
        """
        start, end = observation.start, observation.end
        if start is None or end is None:
            return None, "the archive says no date"
        if discovered is None:
            return EITHER, "no discovery: any epoch"
        if end < discovered - self.rise:
            return REFERENCE, "before its light"
        if start > discovered + self.gone:
            return REFERENCE, "after its light"
        if start >= discovered and end <= discovered + self.fade:
            return SCIENCE, "within its light curve"
        if end < discovered:
            return None, "perhaps before the discovery, with its light"
        if start >= discovered + self.fade:
            return None, "too faint to be looked for, too bright for a reference"
        return None, "a sum of exposures with and without its light"


def moving_role(observation: Observation, target: MovingTarget) -> tuple[str | None, str]:
    """What an observation is good for, of an object that is at a place for a moment.

    Args:
        observation: of an archive.
        target: the object at one time.

    Returns:
        science where it was taken at that time, reference where the object was not there in any part of it; and why.

    Example:
        >>> target = MovingTarget("Ceres 60000.25", 1.0, 2.0, 60000.25, tolerance=0.001, there=((60000.2, 60000.3),))
        >>> days = {"then": 60000.2505, "later": 60000.27, "next night": 60001.25}
        >>> seen = [Observation("mast", "ps1", "r", name, 1.0, 2.0, day, day) for name, day in days.items()]
        >>> [moving_role(one, target)[0] for one in seen]
        ['science', None, 'reference']
    """
    start, end = observation.start, observation.end
    if start is None or end is None or target.discovered is None:
        return None, "the archive says no date"
    if abs((start + end) / 2 - target.discovered) <= target.tolerance:
        long = end - start > target.trail
        return (None, "so long an exposure that it trails") if long else (SCIENCE, "taken when it was there")
    if any(start <= last and end >= first for first, last in target.there):
        return None, "another time, perhaps with it at the same place"
    return REFERENCE, "without it there"
