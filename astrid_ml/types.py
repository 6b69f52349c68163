"""Types that many rooms share: arrays by their element, and what a field's value may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]  # places in a list of different texts
Folds = npt.NDArray[np.int8]  # places in a list of sets
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Complex = npt.NDArray[np.complex64]
Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Range:
    """The values that a number may take: ``Annotated[float, Range(0.0, 1.0)]``. None leaves a side open.

    Args:
        low: smallest value.
        high: largest value.
        open_low: ``low`` itself is refused.
        open_high: ``high`` itself is refused.

    Example:
        >>> 0.0 in Range(0.0, 1.0, open_low=True), 1.0 in Range(0.0, 1.0), float("nan") in Range()
        (False, True, False)
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        if value != value:  # NaN lies in no range
            return False
        above = self.low is None or (value > self.low if self.open_low else value >= self.low)
        below = self.high is None or (value < self.high if self.open_high else value <= self.high)
        return above and below

    def __str__(self) -> str:
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        low = "-inf" if self.low is None else f"{self.low:g}"
        high = "inf" if self.high is None else f"{self.high:g}"
        return f"{left}{low}, {high}{right}"


@dataclass(frozen=True)
class InUnits:
    """The unit of a field's value, as astropy writes it: ``Annotated[float, InUnits("px")]``.

    Args:
        name: ``px``, ``arcsec``, ``e-``.

    Example:
        >>> from astrid_ml.values import words_of
        >>> words_of(Annotated[float, InUnits("px")])
        'a number in px'
    """

    name: str


@dataclass(frozen=True)
class Length:
    """How many values a sequence has: ``Annotated[Sequence[int], Length(2)]``.

    Args:
        n: of the values.

    Example:
        >>> from astrid_ml.values import fits
        >>> fits([1, 2], Annotated[list[int], Length(2)], None), fits([1], Annotated[list[int], Length(2)], None)
        (True, False)
    """

    n: int


@dataclass(frozen=True)
class Ordered:
    """Two values, the first not above the second: ``Annotated[Sequence[float], Ordered()]``.

    Example:
        >>> from astrid_ml.values import fits
        >>> [fits(pair, Annotated[list[float], Ordered()], None) for pair in ([1, 2], [2, 1])]
        [True, False]
    """


@dataclass(frozen=True)
class Filled:
    """At least one value in a sequence: ``Annotated[Sequence[str], Filled()]``.

    Example:
        >>> from astrid_ml.values import fits
        >>> [fits(names, Annotated[list[str], Filled()], None) for names in (["a"], [])]
        [True, False]
    """


@dataclass(frozen=True)
class Exists:
    """A file that must be there before any work begins."""


@dataclass(frozen=True)
class Shaped:
    """How a text must look: ``Annotated[str, Shaped(r"cpu|cuda:\\d+", "cpu or cuda:N")]``.

    Args:
        pattern: a regular expression of the whole text.
        words: the same in words.
        example: of such a text; empty where the words begin with one.

    Example:
        >>> from astrid_ml.values import fits, words_of
        >>> [fits(text, Device, None) for text in ("auto", "cuda:1", "gpu")], words_of(Device)
        ([True, True, False], 'auto, cpu, cuda or cuda:N')
    """

    pattern: str
    words: str
    example: str = ""


Existing = Annotated[str, Exists()]
Device = Annotated[str, Shaped(r"auto|cpu|cuda(:\d{1,3})?", "auto, cpu, cuda or cuda:N")]
Shard = Annotated[str, Shaped(r"join|0*[1-9]\d{0,5}/0*[1-9]\d{0,5}", "i/n with i from 1 to n, or join", "1/4")]
Format = Literal["ecsv", "votable", "fits"]  # of a table beside parquet
Form = Literal["npz", "hdf5", "parquet", "fits", "hats"]  # of a dataset that is exported
Positive = Annotated[float, Range(0.0, open_low=True)]
Micrometres = Annotated[float, Range(0.01, 30.0)]  # an effective wavelength, from the ultraviolet to WISE's last band
ZeroPoint = Annotated[float, Range(-10.0, 60.0)]  # mag of one unit of flux
NonNegative = Annotated[float, Range(0.0)]
Share = Annotated[float, Range(0.0, 1.0)]
Level = Annotated[float, Range(0.0, 1.0, open_low=True, open_high=True)]  # of an interval, of a threshold's rate
Decay = Annotated[float, Range(0.0, 1.0, open_high=True)]  # of an average; also a dropout
Count = Annotated[int, Range(1)]
Whole = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**32 - 1)]  # what numpy, torch and Lightning all take
