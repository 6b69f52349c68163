"""Exposures -> samples of a prepared dataset: tiles of reads in units of read noise, and the class of every voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.found import none_in
from astrid_ml.identity import MARK
from astrid_ml.places import stem_of
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.judge.truth import read_steps
from astrid_ml.preprocessing.ramps.ramp.codes import CLASS_NAMES
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.reference_pixels import ReferenceCorrection
from astrid_ml.preprocessing.ramps.readers.auto import exposures_in, files_of, read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.readable import quiet
from astrid_ml.types import Bits, Count, Floats32, InUnits, Mask, NonNegative, Positive

IGNORE = 255  # voxels whose class cannot be decided


@dataclass(frozen=True)
class RampsPipeline:
    """Cut exposures into tiles.

    Kinds: ``cube`` (n_groups, tile, tile) float32, signal since the first read over the noise of one read, NaN where
    unusable; ``truth`` (n_groups, tile, tile) uint8, class codes of the steps, 255 where undecided or unknown.

    Args:
        load: what the headers do not say.
        reference: reference-pixel correction, or None.
        saturation_dn: reads at or above it are saturated; None takes the header's SATURATE.
        tile: rows and columns of a tile; tiles of one exposure never overlap.
        undecided_sigma: steps smaller than this many read noises are undecided.
        group_by: ``exposure``, or ``detector``: a split then holds out whole detectors.
    """

    load: RampOptions = field(default_factory=RampOptions)
    reference: ReferenceCorrection | None = field(default_factory=ReferenceCorrection)
    saturation_dn: Annotated[Positive, InUnits("DN")] | None = None
    tile: Annotated[Count, InUnits("px")] = 64
    undecided_sigma: NonNegative = 2.0
    group_by: str = "exposure"
    domain: ClassVar[str] = "ramps"
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.group_by not in ("exposure", "detector"):
            raise UserError("group_by of exposure or detector", self.group_by, "choose one of them")

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """One unit an exposure; its truth, where there is one, is an input too.

        Raises:
            UserError: there are no exposures.
        """
        units = []
        for place in raw:
            for path in exposures_in(str(place), self.load):
                name = path.name if path == place else str(path.relative_to(place))
                truth, files = _truth_of(path), files_of(path)
                inputs = (*files, *((truth,) if truth.is_file() else ()), *self.load.files)
                size = sum(file.stat().st_size for file in files)
                units.append(Unit(name, inputs, bytes_needed=2 * size))
        if not units:
            raise UserError("files with ramps", none_in(raw), "make some: astrid simulate what=ramps")
        return units

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Correct the exposure and write its tiles; tiles without a usable pixel are dropped."""
        with quiet():
            self._tiles(unit, writer)

    def _tiles(self, unit: Unit, writer: UnitWriter) -> None:
        path = unit.inputs[0].parent if self.load.format == "folder" else unit.inputs[0]
        ramp = read_ramp(path, self.load)
        for integration in range(ramp.shape[0]):
            cube = self._corrected(ramp, integration)
            codes = self._codes(_truth_of(path), ramp, integration)
            codes[np.isnan(cube)] = IGNORE
            for y in self._starts(ramp.shape[2]):
                for x in self._starts(ramp.shape[3]):
                    part = (slice(None), slice(y, y + self.tile), slice(x, x + self.tile))
                    record = self._record(ramp, unit.id, integration, y, x, codes[part])
                    if np.isnan(cube[part]).all():
                        writer.drop(record["id"], "no usable pixel")
                        continue
                    writer.add(pd.DataFrame([record]), {"cube": cube[part][None], "truth": codes[part][None]})

    def _starts(self, length: int) -> range:
        """Where the tiles begin along an axis: as many as fit, in the middle, so that the border is cut first."""
        whole = length // self.tile * self.tile
        return range((length - whole) // 2, (length - whole) // 2 + whole, self.tile)

    def _corrected(self, ramp: Ramp, integration: int) -> Floats32:
        settings = Processing(reference=self.reference, saturation_dn=self.saturation_dn)
        out = np.empty(ramp.shape[1:], np.float32)
        for strip in Exposure(ramp, settings).strips(integration):
            out[:, strip.rows] = strip.reads / strip.noise
        if ramp.reference is not None:
            out[:, ramp.reference] = np.nan
        return out

    def _codes(self, truth: Path, ramp: Ramp, integration: int) -> Bits:
        """Class of the step at each voxel; all undecided where there is no truth."""
        if not truth.is_file():
            return np.full(ramp.shape[1:], IGNORE, np.uint8)
        codes = np.zeros(ramp.shape[1:], np.uint8)
        steps = read_steps(truth)
        steps.refuse_other_shape(ramp.shape)
        mine = steps.table[steps.table.integration == integration]
        clear = np.abs(mine.charge) >= self.undecided_sigma * steps.read_noise
        codes[mine.group, mine.y, mine.x] = np.where(clear, mine.type, IGNORE)
        return codes

    def _record(self, ramp: Ramp, unit: str, integration: int, y: int, x: int, codes: Bits) -> dict[str, Any]:
        counts = np.bincount(codes.ravel(), minlength=256)
        known = counts[IGNORE] < codes.size
        detector = str(ramp.detector)
        unit = f"{unit}{MARK}{ramp.mark}" if ramp.mark else unit
        record = {
            "id": f"{unit}:{integration}:{y}:{x}",
            "group_id": detector if self.group_by == "detector" else unit,
            "label": int(counts[1:4].sum() > 0) if known else None,
            "mission": ramp.mission,
            "detector": detector,
            "read_noise": float(np.median(ramp.read_noise)),
            "gain": float(np.mean(ramp.gain)),
            "group_time": float(np.mean(ramp.steps)),
            "n_groups": ramp.shape[1],
            "integration": integration,
            "y": y,
            "x": x,
            "source": ramp.file.name if ramp.file else None,
        }
        return record | {f"n_{name}": int(counts[i]) for i, name in enumerate(CLASS_NAMES)}

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """Tiles do not overlap: nothing to remove."""
        return index, []

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """The same."""
        return part, []

    def describe(self) -> dict[str, Any]:
        """Classes and units."""
        classes = ", ".join(f"{number} {name}" for number, name in enumerate(CLASS_NAMES))
        return {
            "classes": list(CLASS_NAMES),
            "ignore": IGNORE,
            "units": {"cube": "read noise of one read"},
            "arrays": {
                "cube": {
                    "axes": "read, y, x",
                    "unit": "read noise of one read",
                    "normalised": "divided by the read noise of each pixel",
                    "missing": "NaN: reference pixels, bad pixels, saturated reads",
                },
                "truth": {
                    "axes": "read, y, x",
                    "unit": f"class of the step that ends at the read: {classes}",
                    "normalised": "none",
                    "missing": f"{IGNORE}: the class cannot be decided, or nobody knows it",
                },
            },
            "label": "1 where a step of the tile is an anomaly, 0 where none is, null where nobody knows",
            "rai": {
                "data_collection": "Non-destructive reads of infrared detectors, cut into tiles.",
                "data_preprocessing_protocol": "Divided by the read noise; steps too small to decide are left open.",
                "data_limitations": "Truth exists for simulated or injected steps only.",
                "data_use_cases": "Training and testing of detectors of cosmic rays, telegraph noise and snowballs.",
            },
        }


def _truth_of(path: Path) -> Path:
    return path.with_name(f"{stem_of(path)}_truth.npz")
