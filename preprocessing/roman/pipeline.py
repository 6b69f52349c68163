"""RAPID job folders -> samples: a job is a unit. Also datasets that the old scripts left (``master_index.csv``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.export import export_zscale
from astrid_ml.preprocessing.roman.job import find as jobs
from astrid_ml.preprocessing.roman.job import old_dataset
from astrid_ml.preprocessing.roman.job.frames import CHANNELS
from astrid_ml.preprocessing.roman.job.master_index import write_master_index
from astrid_ml.preprocessing.roman.job.match import Match
from astrid_ml.preprocessing.roman.job.names import Products, resolve
from astrid_ml.preprocessing.roman.job.read import Catalogues, Images, process_job
from astrid_ml.preprocessing.roman.job.truth import RomanTruth
from astrid_ml.preprocessing.roman.report import matching_account
from astrid_ml.splits.groups import joined

# Fields of the Croissant vocabulary for responsible AI.
RAI = {
    "data_collection": "Difference images and their catalogues from the RAPID pipeline for the Roman telescope.",
    "data_biases": "Labels come from injections and simulation: hosts, magnitudes and cadence are the simulation's.",
    "data_limitations": "Undetected sources are only in the truth table; asteroids and variable stars count as bogus.",
    "data_preprocessing_protocol": "Frames are raw float32, NaN where there is no data; scaling happens on reading.",
    "personal_sensitive_information": "None.",
}


_PIXELS = {
    "unit": "science image counts; sigma for scorr",
    "channels": list(CHANNELS),
    "normalised": "none: raw float32",
    "missing": "NaN: pixels without data, and what lies beyond the frame",
}


@dataclass(frozen=True)
class RomanPipeline:
    """Reads job folders of the RAPID pipeline.

    Args:
        reader: which jobs.
        images: which difference images, and what is kept of them.
        catalogues: which detections.
        truth: what counts as real.
        match: detections to truth.
    """

    reader: jobs.FieldLists = field(default_factory=jobs.FieldLists)
    images: Images = field(default_factory=Images)
    catalogues: Catalogues = field(default_factory=Catalogues)
    truth: RomanTruth = field(default_factory=RomanTruth)
    match: Match = field(default_factory=Match)
    domain: ClassVar[str] = "roman"
    version: ClassVar[int] = 2

    @property
    def stamp_size(self) -> int | None:
        """Pixels on a side of the cutouts; None where whole frames are kept."""
        return self.images.size if self.images.keep == "cutouts" else None

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """One unit a job, incomplete where a product is missing; earlier runs of a job and jobs that a field list
        names in vain stand as incomplete units of their own.

        Raises:
            UserError: no job folder.
        """
        tables = [table for place in raw if (table := old_dataset.find(place)) is not None]
        if tables:
            return [unit for table in tables for unit in old_dataset.plan(table)]
        chosen, absent = jobs.select(jobs.find_jobs(raw), self.reader)
        units = [self._unit(job) for job in chosen]
        units += [
            Unit(f"{job.name} of {path.parent.name}", (), missing=(f"a name of its own: {job.path} is a later run",))
            for job in chosen
            for path in job.shadows
        ]
        if absent:
            named = tuple(f"the folder of {name}" for name in absent)
            units.append(Unit("field list", (), missing=named))
        return units

    def _unit(self, job: jobs.RomanJob) -> Unit:
        products = resolve(job.files, self.images.family)
        if not self.catalogues.negatives:
            products = products.positive()
        inputs = tuple(job.path / name for name in products.files())
        size = inputs[0].stat().st_size if inputs else 0
        return Unit(
            job.name,
            inputs,
            {"folder": str(job.path.name), "products": products.as_dict(), "field": job.field},
            products.missing,
            bytes_needed=self.images.bytes_needed(size),
        )

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Read a job; what cannot be used is dropped with its reason, a damaged file fails the job."""
        if "rows" in unit.parameters:
            old_dataset.process(unit, writer)
        else:
            process_job(self, unit, Products.from_dict(unit.parameters["products"]), writer)

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """Groups are set job by job: the object where truth names it, else a patch of sky.

        Old datasets do not know the sky: there, jobs that show one object are one group, and so is all that is in them.
        """
        unplaced = index["ra"].isna()
        if unplaced.any():
            jobs_there = index["jid"][unplaced].astype(str)
            index.loc[unplaced, "group_id"] = joined(jobs_there, index["truth_id"][unplaced]).astype("string")
        return index, []

    def complete(self, index: pd.DataFrame, folder: Path) -> dict[str, Any]:
        """``master_index.csv``, and how well truth and detections agree."""
        rows = write_master_index(index, folder / "master_index.csv") if "image" in index else 0
        return {"master_index_rows": rows, **matching_account(index, folder, self.match)}

    def export(self, dataset: PreparedDataset, how: str, output_dir: Path) -> dict[str, Any]:
        """``export=zscale``: the reference's layout, frames in [0, 1] and ``master_index.csv``.

        Raises:
            UserError: another form, or a dataset of cutouts.
        """
        if how != "zscale":
            raise UserError("astrid prepare export=zscale", how, "the reference's layout is the only one")
        return export_zscale(dataset, output_dir)

    def describe(self) -> dict[str, Any]:
        """Channels in the order of the frames; pixels are raw."""
        return {
            "channels": list(CHANNELS),
            "units": {"frame": "science image counts; sigma for scorr; NaN where there is no data"},
            "arrays": {"frame": {"axes": "y, x, channel", **_PIXELS}, "stamps": {"axes": "channel, y, x", **_PIXELS}},
            "label": "1 real, 0 bogus, null where it is ambiguous or nobody knows",
            "positions": "x, y: 0-based pixels of the PSF fit",
            "mag_limit": self.truth.mag_limit,
            "match": {"radius_px": self.match.radius, "policy": self.match.policy},
            "rai": {**RAI, "data_annotation_protocol": self._protocol()},
        }

    def _protocol(self) -> str:
        """How labels came about, in a sentence."""
        how = "one-to-one, nearest first" if self.match.policy == "one_to_one" else "many-to-one"
        return (
            f"A detection is real where an injected source or a simulated {' or '.join(self.truth.types)} of "
            f"{self.truth.mag_limit:g} AB mag or brighter lies within {self.match.radius:g} px ({how}), ambiguous "
            "where only fainter truth does, and bogus otherwise; without truth it has no label."
        )
