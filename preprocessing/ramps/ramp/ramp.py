"""The ramp: what every reader gives and every detector takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.codes import UNUSABLE
from astrid_ml.preprocessing.ramps.ramp.linearity import Linearity
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.types import Array, Floats, Floats32, Ints, Mask

UNITS = ("DN", "e-")
LARGEST = 1e6  # of gain and read noise: beyond it squares and sums leave float32, and no detector is there


@dataclass(frozen=True)
class Ramp:
    """One exposure, read up the ramp. Rates (DN/s, e-/s) are turned into DN and e- by the readers.

    Args:
        data: accumulated signal, (n_ints, n_groups, n_rows, n_cols); an array, a memory map, or what is sliced as one
            (``stored``).
        sampling: times of all reads of each group.
        unit: ``DN`` or ``e-``.
        gain: e-/DN, a number or an (n_rows, n_cols) map; 1 where the unit is e-.
        read_noise: noise of ONE read in e- (not CDS, which is sqrt(2) larger), a number or a map.
        dq: data-quality bits as in stcal, whole numbers, (n_ints, n_groups, n_rows, n_cols), or None.
        pixel_dq: bits that hold for all groups, uint32, (n_rows, n_cols), or None.
        reference: True at reference pixels, (n_rows, n_cols), or None where there are none.
        name: the exposure's name, used for output files.
        file: the file it was read from; None for one that was made in memory.
        mission, detector, filter: as the header writes them; None where unknown.
        mjd: mid-exposure as the header has it; None where unknown.
        saturation_dn: reads at or above it are saturated, DN, a number or a map; None where nobody says.
        linearity: turns reads into those of a linear detector; None where they are, or nobody knows.
        rate: count rates of the field from elsewhere, e-/s, (n_rows, n_cols), NaN where unknown; None without any.
        inverted: the detector's signal fell and was turned over: ``data`` and ``saturation_dn`` are of the other sign.
        corrected: what reference pixels say is subtracted already, or is not to be: they are no image, and no more.
        notes: what the reader decided, for the report.
        mark: what tells a simulation's settings and seed from those of others; None of a real one.
    """

    data: Array
    sampling: ReadTimes
    unit: str
    gain: float | Floats32
    read_noise: float | Floats32
    dq: Array | None = None
    pixel_dq: npt.NDArray[np.uint32] | None = None
    reference: Mask | None = None
    name: str = "exposure"
    file: Path | None = None
    mission: str | None = None
    detector: str | None = None
    filter: str | None = None
    mjd: float | None = None
    saturation_dn: float | Floats32 | None = None
    linearity: Linearity | None = None
    rate: Floats32 | None = None
    inverted: bool = False
    corrected: bool = False
    notes: tuple[str, ...] = ()
    mark: str | None = None

    def __post_init__(self) -> None:
        _check_shapes(self)
        if self.unit not in UNITS:
            raise UserError("a ramp in DN or e-", self.unit, "set preprocessing.load.unit=DN or e-")
        for what, value in (("gain (e-/DN)", self.gain), ("read noise (e-)", self.read_noise)):
            numbers = np.asarray(value)
            known = numbers[np.isfinite(numbers)]
            if not known.size or known.min() <= 0 or known.max() > LARGEST:
                got = f"{numbers.min()} to {numbers.max()}" if numbers.ndim else f"{numbers}"
                raise UserError(f"a {what} above 0 and up to {LARGEST:g}", got, "give the detector's value")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n_ints, n_groups, n_rows, n_cols)."""
        a, b, c, d = self.data.shape
        return a, b, c, d

    @property
    def group_times(self) -> Floats:
        """Mean time of each group's reads since the reset, s, (n_groups,)."""
        return self.sampling.mean

    @property
    def reads_per_group(self) -> Ints:
        """Reads averaged into each group, (n_groups,)."""
        return self.sampling.reads

    @property
    def steps(self) -> Floats:
        """Seconds between the groups, (n_groups - 1,)."""
        return np.diff(self.group_times)

    def electrons(self, integration: int, rows: slice, columns: slice) -> Floats32:
        """Part of one integration in e-, (n_groups, h, w), with NaN where the bits forbid use.

        Args:
            integration: 0-based.
            rows: rows of the part.
            columns: columns of the part.
        """
        out = np.asarray(self.data[integration, :, rows, columns], dtype=np.float32).copy()
        if self.unit == "DN":
            gain = np.asarray(self.gain, np.float32)
            out *= gain if gain.ndim == 0 else gain[rows, columns]
        if self.dq is not None:
            out[(np.asarray(self.dq[integration, :, rows, columns]) & UNUSABLE) != 0] = np.nan
        if self.pixel_dq is not None:
            out[:, (self.pixel_dq[rows, columns] & UNUSABLE) != 0] = np.nan
        return out

    def noise(self, rows: slice, columns: slice) -> Floats32:
        """Read noise of one read in e-, (h, w)."""
        h, w = self.shape[2:]
        full = np.broadcast_to(np.asarray(self.read_noise, np.float32), (h, w))
        return np.ascontiguousarray(full[rows, columns])

    def renamed(self, name: str) -> Ramp:
        """The same ramp under another name."""
        return replace(self, name=name)


def _check_shapes(ramp: Ramp) -> None:
    """Refuse what cannot be a ramp, with a guess of what it is instead."""
    if ramp.data.ndim != 4:
        raise UserError(
            "data of shape (n_ints, n_groups, n_rows, n_cols)",
            f"{ramp.data.ndim} axes, {ramp.data.shape}",
            "add the missing axis (a cube of one integration: data[None])",
        )
    n_groups = ramp.data.shape[1]
    if n_groups < 3:
        raise UserError(
            "at least 3 groups", f"{n_groups} groups", "two groups have one difference: a jump cannot be told from flux"
        )
    if len(ramp.sampling.groups) != n_groups:
        raise UserError(
            f"times of the reads of {n_groups} groups",
            f"those of {len(ramp.sampling.groups)}",
            "give one time a group (preprocessing.load.group_times), or a read_pattern of all groups",
        )
    if ramp.dq is not None and ramp.dq.shape != ramp.data.shape:
        raise UserError(f"dq of the data's shape {ramp.data.shape}", f"{ramp.dq.shape}", "give matching arrays")
    maps = {"gain": ramp.gain, "read noise": ramp.read_noise, "saturation": ramp.saturation_dn, "rate": ramp.rate}
    for what, value in maps.items():
        if isinstance(value, np.ndarray) and value.ndim and value.shape != ramp.data.shape[2:]:
            shape = "{} x {}".format(*ramp.data.shape[2:])
            raise UserError(f"a map of the {what} of {shape} pixels", f"{value.shape}", "give that of this detector")
