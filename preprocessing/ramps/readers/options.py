"""What the user tells a reader beside the file, and how it is set against the header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Count, Existing, InUnits, Mask, NonNegative, Positive, Whole

STEPS = ("TGROUP", "GROUPTIM")  # keywords of the time between groups
FRAMES = ("TFRAME", "FRMTIME", "FRAMTIME")  # and of that between frames
Pattern = Sequence[Sequence[Count]]
Polarity = Literal["normal", "inverted", "auto"]


@dataclass(frozen=True)
class RampOptions:
    """Values for what a header does not say; a value given here wins over the header.

    A map stands wherever a number does: a 2-D image (FITS, ``.npy``, ASDF) of the detector or of this part of it.

    Args:
        format: auto, cube, jwst, wfc3, roman, npy, npz, hdf5, patches (HDF5), and by explicit choice only: extensions
            (one read in each HDU), folder (one read in each file).
        axes: order of a cube's axes: ``tyx``, ``yxt``, ``ytx``; ``auto`` takes time as the first axis, and refuses
            what looks otherwise or could be otherwise.
        unit: DN, e-, DN/s, e-/s or None (from BUNIT).
        gain: e-/DN or None (from the header).
        read_noise: noise of one read in e- or None (from the header).
        read_noise_is_cds: the given ``read_noise`` is that of a difference of two reads, sqrt(2) larger.
        saturation: reads at or above it are saturated, DN, or None (from the header).
        superbias: zero level of each pixel, DN, where ``linearity`` counts from.
        linearity: a FITS file whose COEFFS (n, n_rows, n_cols) make the reads linear, as JWST's, or None.
        mask: a FITS file whose DQ marks pixels that are not to be used, as JWST's with its DQ_DEF, or None.
        rate: a map of the field's count rates from elsewhere, e-/s (DN/s where its BUNIT says so), which the step
            detector takes beside those of neighbours, or None.
        crds: folder of JWST reference files, searched by the names in the header, else by detector and read pattern.
        group_time: seconds between groups or None (from the header).
        group_times: mean time of every group in s or None.
        frame_time: seconds between the frames that groups are made of, or None (from the header).
        reads_per_group: frames averaged into each group, or None (from the header; where it says nothing, one).
        group_gap: frames dropped between groups, or None (from the header).
        read_pattern: numbers of the frames of each group, from 1, as Roman lists them: [[1],[2,3],[4,5,6,7]].
        border: width of the reference-pixel border in pixels or None (from the header, else no border; unused where
            S_REFPIX says that it is corrected). 0: pixels that the DQ calls reference are no image, and not used.
        polarity: ``normal``: signal rises; ``inverted``: it falls, and is turned over; ``auto``: as the mean ramp
            goes; None: as ``normal``, and a mean ramp that falls is refused.
        array: name of the cube in an HDF5 or npz file that holds several.
        order: keyword that puts the files of ``format=folder`` in order; None: the number in their names.
    """

    format: str = "auto"
    axes: str = "auto"
    unit: str | None = None
    gain: Annotated[Positive, InUnits("e-/DN")] | Existing | None = None
    read_noise: Annotated[NonNegative, InUnits("e-")] | Existing | None = None
    read_noise_is_cds: bool = False
    saturation: Annotated[Positive, InUnits("DN")] | Existing | None = None
    superbias: Annotated[NonNegative, InUnits("DN")] | Existing | None = None
    linearity: Existing | None = None
    mask: Existing | None = None
    rate: Existing | None = None
    crds: str | None = None
    group_time: Annotated[Positive, InUnits("s")] | None = None
    group_times: Annotated[Sequence[float], InUnits("s")] | None = None
    frame_time: Annotated[Positive, InUnits("s")] | None = None
    reads_per_group: Count | None = None
    group_gap: Whole | None = None
    read_pattern: Pattern | None = None
    border: Annotated[Whole, InUnits("px")] | None = None
    polarity: Polarity | None = None
    array: str | None = None
    order: str | None = None
    former_defaults: ClassVar[Mapping[str, int]] = {
        "reads_per_group": 1
    }  # tiles are the same, so are their fingerprints

    @property
    def files(self) -> tuple[Path, ...]:
        """Maps and reference files that are named."""
        named = (self.gain, self.read_noise, self.saturation, self.superbias, self.linearity, self.mask, self.rate)
        return tuple(Path(one).expanduser() for one in named if isinstance(one, str))


def first_of(header: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """The first of these keywords that the header has with a value, else None."""
    for key in keys:
        if header.get(key) not in (None, ""):
            return header[key]
    return None


def text_of(header: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """The first of these keywords that the header has with a value, as text (a detector may be a number), else None."""
    found = first_of(header, keys)
    return None if found is None else str(found)


def number(given: float | None, header: Mapping[str, Any], keys: Sequence[str], what: str, key: str) -> float:
    """The user's value, else the header's.

    Raises:
        UserError: neither has it, for no default is ever assumed; or it is no number.
    """
    value = given if given is not None else first_of(header, keys)
    if value is None:
        raise UserError(what, f"none of the keywords {', '.join(keys)}", f"give preprocessing.load.{key}=VALUE")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        named = next((name for name in keys if header.get(name) == value), key)
        raise UserError(what, f"{named} = {str(value)[:40]!r}", f"give preprocessing.load.{key}=VALUE") from error


def unit_of(given: str | None, header: Mapping[str, Any]) -> tuple[str, bool]:
    """(``DN`` or ``e-``, whether the file holds a rate per second).

    Raises:
        UserError: no unit, or one that is neither counts nor electrons.
    """
    text = given if given is not None else first_of(header, ("BUNIT",))
    if text is None:
        raise UserError("the unit of the ramp", "no BUNIT", "give preprocessing.load.unit=DN (or e-)")
    plain = str(text).strip().lower().replace(" ", "")
    rate = plain.endswith(("/s", "/sec", "s-1"))
    stem = plain.removesuffix("/s").removesuffix("/sec").removesuffix("s-1").rstrip(".*")
    if stem in ("dn", "adu", "count", "counts"):
        return "DN", rate
    if stem in ("e-", "e", "electron", "electrons"):
        return "e-", rate
    raise UserError("a ramp in DN, e-, DN/s or e-/s", str(text), "give preprocessing.load.unit=DN (or e-)")


def border_mask(n_rows: int, n_cols: int, width: int) -> Mask | None:
    """True on the outermost ``width`` pixels; None for a width of 0."""
    if width <= 0:
        return None
    mask = np.ones((n_rows, n_cols), dtype=bool)
    mask[width:-width, width:-width] = False
    return mask
