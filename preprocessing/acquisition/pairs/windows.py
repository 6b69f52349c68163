"""When an image shows a supernova and when it does not, by its date of discovery."""

from __future__ import annotations

from dataclasses import dataclass

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
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
