"""FITS pairs -> candidates with stamps: the differencing domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from astropy.wcs import WCS

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import relative
from astrid_ml.preprocessing.differencing.detect.measure import MEASURED
from astrid_ml.preprocessing.differencing.detect.poisson import POISSON_SIGMA, PoissonPeaks
from astrid_ml.preprocessing.differencing.difference import (
    Difference,
    Subtraction,
)
from astrid_ml.preprocessing.differencing.frame.apart import refuse_one_hdu, refuse_one_image
from astrid_ml.preprocessing.differencing.frame.artefacts import artefact_of, artefact_table, groups_by_artefact
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs, frame_files
from astrid_ml.preprocessing.differencing.frame.truth import label_candidates, placed, truth_table
from astrid_ml.preprocessing.differencing.grid.align import AlignNone
from astrid_ml.preprocessing.differencing.pixels.cutouts import Cutout
from astrid_ml.preprocessing.differencing.sky.background import KeepBackground
from astrid_ml.preprocessing.differencing.stars.psf import EmpiricalPsf, GivenPsf, NamedPsf
from astrid_ml.preprocessing.stamps import peak_snr
from astrid_ml.printable import printable
from astrid_ml.reasons import shortened
from astrid_ml.sky import healpix
from astrid_ml.types import Mask, Positive

# The columns of samples: of the detectors, of the measurement, of the pair, of the truth, of the stamps.
COLUMNS = (
    "id", "group_id", "x", "y", "snr", "sign", "flags", *MEASURED, "mission", "filter", "field", "mjd", "source",
    "label", "match_id", "match_distance", "truth_given", "injected", "truth_kind", "truth_mag", "truth_snr",
    "artefact", "label_source", "stamp_h", "stamp_w", "stamp_outside", "pixel_scale", "peak_snr",
)  # fmt: skip
_CELL = 18  # HEALPix order; cells of 0.8 arcsec


@dataclass(frozen=True)
class DifferencingPipeline(Subtraction):
    """Loads, aligns, subtracts, detects, measures and cuts each pair of a manifest.

    Between loading and cutting it is a :class:`Subtraction`, with all of its steps.

    Args:
        load: reads a frame.
        cutout: takes the stamps.
        match_radius: of candidates to the truth, in FWHM of the science image.
    """

    load: LoadFits = field(default_factory=LoadFits)
    cutout: Cutout = field(default_factory=Cutout)
    match_radius: Positive = 1.0
    domain: ClassVar[str] = "differencing"
    makes: ClassVar[str] = "stamps"
    version: ClassVar[int] = 7

    def __post_init__(self) -> None:
        """Refuse to give back a sky that no step takes away."""
        if self.cutout.sky == "included" and isinstance(self.background, KeepBackground):
            got = "preprocessing/background=none, which takes none away"
            fix = "choose preprocessing/background=sep, or preprocessing.cutout.sky=subtracted"
            raise UserError("a step that measures the sky, for preprocessing.cutout.sky=included", got, fix)

    @property
    def stamp_size(self) -> int:
        """Pixels on a side of the cutouts."""
        return self.cutout.size

    def column_names(self) -> tuple[str, ...] | None:
        """Where candidates are, what is measured of them, what a truth says; a detector of another package adds."""
        if not type(self.detect).__module__.startswith("astrid_ml."):
            return None
        return (*COLUMNS, POISSON_SIGMA) if isinstance(self.detect, PoissonPeaks) else COLUMNS

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """One unit a pair; incomplete where a file is missing."""
        units = []
        for pair in find_pairs(raw):
            files = [*frame_files(pair.science), *frame_files(pair.reference)]
            files += [Path(name) for name in (pair.truth, pair.artefacts) if name]
            there = [path for path in files if path.is_file()]
            missing = tuple(relative(path, raw) for path in files if not path.is_file())
            parameters: dict[str, Any] = {"science": pair.science, "reference": pair.reference, "truth": pair.truth}
            if pair.artefacts:
                parameters["artefacts"] = pair.artefacts
            if (pair.science.get("psf") or pair.reference.get("psf")) and not isinstance(self.psf, GivenPsf):
                parameters["psf"] = "named"  # apart from datasets of versions that did not read the file
            size = sum(path.stat().st_size for path in there)
            units.append(Unit(pair.name, tuple(there), parameters, missing, bytes_needed=size // 4))
        return units

    def difference(self, science: Frame, reference: Frame) -> Difference:
        """Load and subtract one pair. A PSF that is named with a frame takes the place of a measured one.

        Raises:
            UserError: both are one image; a PSF is named, and another kind than the usual one was chosen.
        """
        refuse_one_image(science, reference)
        load, steps = self.loader(), self
        if (science.psf or reference.psf) and not isinstance(self.psf, GivenPsf):
            if not isinstance(self.psf, EmpiricalPsf):
                raise UserError(
                    "preprocessing/psf=given beside the file of a PSF, which no other option reads",
                    f"{science.psf or reference.psf} and {type(self.psf).__name__}",
                    "choose preprocessing/psf=given, or leave out the file",
                )
            steps = replace(self, psf=NamedPsf(self.psf))
        images = load(science), load(reference)
        refuse_one_hdu(science, reference, images)
        return steps(*images)

    def loader(self) -> LoadFits:
        """The loader; frames that share their pixels already need no WCS."""
        return replace(self.load, need_wcs=False) if isinstance(self.align, AlignNone) else self.load

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Subtract the pair and write its candidates; warnings of the quality record are counted."""
        sides = (Frame(**unit.parameters["science"]), Frame(**unit.parameters["reference"]))
        known = truth_table(unit.parameters["truth"]) if unit.parameters["truth"] else None
        artefacts = artefact_table(unit.parameters["artefacts"]) if unit.parameters.get("artefacts") else None
        done = self.difference(*sides)
        for warning in done.quality.warnings:
            writer.count(f"warning: {_kind(warning)}")
        writer.count("pairs")
        truth = placed(known, done.science) if known is not None else None
        table = candidate_table(done, unit.id)
        table["source"] = printable(Path(sides[0].file).name)
        radius = self.match_radius * done.quality.science.fwhm
        table, account = label_candidates(table, truth, radius)
        if artefacts is not None:
            table["artefact"] = artefact_of(table, artefacts)
            table["group_id"] = groups_by_artefact(table, artefacts)
        for name, number in account.items():
            writer.count(name, number)
            if done.science.mission:
                writer.count(f"{name} of {done.science.mission}", number)
        if len(table):
            writer.add(*self.samples(table, done))

    def samples(self, table: pd.DataFrame, done: Difference) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Index rows and stamps of candidates."""
        x, y, sign = (torch.from_numpy(table[c].to_numpy(dtype=float, copy=True)) for c in ("x", "y", "sign"))
        planes = (done.science.data, done.reference.data, done.result.diff, done.result.significance)
        sky = self.cutout.level(done.science.sky or 0.0)
        # a masked pixel holds no data; in the difference it is what the filling made
        shown = [torch.where(m, torch.nan, p + sky) for p, m in zip(planes[:2], done.pair.masks, strict=True)]
        stamps, outside = self.cutout((shown[0], shown[1], *planes[2:]), x, y, sign)
        out = table.assign(stamp_h=stamps.shape[-2], stamp_w=stamps.shape[-1])
        out["stamp_outside"] = outside.float().mean((1, 2)).numpy()
        out["pixel_scale"] = _pixel_scale(done.science.wcs)
        out["peak_snr"] = peak_snr(stamps[:, 2].numpy())
        return out, {"stamps": stamps.numpy()}

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """Groups are set by position when a pair is done; candidates of one place share a cell."""
        return index, []

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """The same."""
        return part, []

    def describe(self) -> dict[str, Any]:
        """Channels in the order of the stamps."""
        names = ["science", "reference", "difference", *(["significance"] if self.cutout.significance else [])]
        units = {"stamps": "units of the science image; sigma for the significance"}
        return {
            "channels": names,
            "units": units,
            "sky": self.cutout.sky,
            "arrays": {
                "stamps": {
                    "axes": "channel, y, x",
                    "channels": names,
                    "unit": units["stamps"],
                    "normalised": "none: the reference is scaled to the flux of the science image",
                    "missing": "NaN: masked pixels, and what lies beyond the image",
                }
            },
            "label": "1 real, 0 bogus, null where nobody knows",
            "rai": {
                "data_collection": "Candidates that the subtraction of pairs of images found above its threshold.",
                "data_preprocessing_protocol": f"Registered, sky {self.cutout.sky}, matched, cut out.",
                "data_limitations": "Sources below the threshold and in masked pixels are not there.",
                "data_use_cases": "Training and testing of real/bogus classifiers.",
            },
        }


def _pixel_scale(wcs: WCS | None) -> float:
    """Arcsec of a pixel's side, that of a square as large; NaN of frames without a WCS."""
    return float("nan") if wcs is None else 3600 * math.sqrt(abs(np.linalg.det(wcs.celestial.pixel_scale_matrix)))


def candidate_table(done: Difference, name: str) -> pd.DataFrame:
    """The candidates of a pair with what every index must hold; columns are there when it is empty too."""
    table = done.candidates.copy()
    number = np.arange(len(table))
    table.insert(0, "id", [f"{name}-{i:05d}" for i in number])
    cells = healpix(table["ra"].to_numpy(), table["dec"].to_numpy(), _CELL) if len(table) else number
    groups = [f"sky-{c}" if c >= 0 else f"{name}-{i:05d}" for c, i in zip(cells, number, strict=True)]
    table.insert(1, "group_id", groups)
    table[["id", "group_id"]] = table[["id", "group_id"]].astype("string")
    for key, value in (("mission", done.science.mission), ("filter", done.science.filter), ("field", name)):
        table[key] = pd.array([value] * len(table), dtype="string")
    table["mjd"] = float("nan") if done.science.mjd is None else done.science.mjd
    return table


def _kind(warning: str) -> str:
    """A warning with dots for its numbers, so that the same kind is counted together and the sentence stays whole.

    Example:
        >>> _kind("blank sky holds 0.03 e- a pixel")
        'blank sky holds ... e- a pixel'
    """
    return shortened(" ".join("..." if any(c.isdigit() for c in word) else word for word in warning.split()), 80)
