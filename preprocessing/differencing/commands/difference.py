"""``astrid difference``: one pair from two FITS files to candidates, and to scores where a checkpoint is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.preprocessing.differencing.commands.products import (
    write_candidates,
    write_difference,
    write_image,
    write_triplets,
)
from astrid_ml.preprocessing.differencing.commands.quicklook import write_quicklook
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.truth import label_candidates, placed, truth_table
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline, candidate_table
from astrid_ml.progress import waiting
from astrid_ml.types import Existing

if TYPE_CHECKING:
    from astrid_ml.checkpoint.load import LoadedModel


@dataclass(frozen=True)
class DifferenceCommand:
    """Subtract a pair and write what there is to know of it.

    Args:
        science, reference: the frames.
        output_dir: gets ``difference.fits``, ``candidates.parquet`` and ``.ecsv``, ``quality.json``, ``quicklook.png``.
        pipeline: the steps.
        truth: known positions (CSV or parquet with x, y or ra, dec); fills ``label`` and ``match_id``.
        ckpt_path: a checkpoint that scores the candidates.
        trust: classes outside this project that the checkpoint may name.
        export: ``hdf5`` writes ``triplets.h5``.
        intermediates: write ``science.fits`` and ``reference.fits``, aligned and without background.
    """

    science: Frame
    reference: Frame
    output_dir: str
    pipeline: DifferencingPipeline = field(default_factory=DifferencingPipeline)
    truth: Existing | None = None
    ckpt_path: Existing | None = None
    trust: tuple[str, ...] | list[str] = ()
    export: Literal["hdf5"] | None = None
    intermediates: bool = False

    def run(self) -> dict[str, Any]:
        """Subtract, write, and return the figures that people look at first."""
        if self.export not in (None, "hdf5"):
            raise UserError("export=hdf5 or none", str(self.export), "leave it out or write hdf5")
        folder = Path(self.output_dir)
        known = truth_table(self.truth) if self.truth else None
        model = self._model()
        with waiting("subtracting"):
            done = self.pipeline.difference(self.science, self.reference)
        with waiting("writing"):
            return self._written(folder, done, model, known)

    def _model(self) -> LoadedModel | None:
        """The network that scores: loaded before any work, so that a wrong file costs none."""
        if self.ckpt_path is None:
            return None
        from astrid_ml.checkpoint.load import load_model

        return load_model(Path(self.ckpt_path), self.trust)

    def _written(
        self, folder: Path, done: Difference, model: LoadedModel | None, known: pd.DataFrame | None
    ) -> dict[str, Any]:
        """Write what there is to know of a subtracted pair, and return its figures."""
        table = candidate_table(done, Path(self.science.file).name.split(".")[0])
        truth = placed(known, done.science) if known is not None else None
        table, _ = label_candidates(table, truth, self.pipeline.match_radius * done.quality.science.fwhm)
        table["source"] = Path(self.science.file).name
        table = self._scored(table, done, model)
        folder.mkdir(parents=True, exist_ok=True)
        write_difference(folder / "difference.fits", done, self.science.file, self.reference.file)
        write_candidates(folder, table)
        write_json(folder / "quality.json", done.quality.record())
        write_quicklook(folder / "quicklook.png", done)
        self._extras(folder, table, done)
        return self._summary(table, done)

    def _scored(self, table: pd.DataFrame, done: Difference, model: LoadedModel | None) -> pd.DataFrame:
        """The candidates with ``score``, ``probability``, ``threshold`` and ``decision`` of a checkpoint, if given."""
        if model is None:
            return table
        from astrid_ml.build import build
        from astrid_ml.checkpoint.predictions import ordered
        from astrid_ml.checkpoint.score import score_source
        from astrid_ml.pipeline.writer import MemoryUnitWriter

        judge = build(model.record.config["evaluation"], self.trust)
        if table.empty:
            return table.assign(score=np.nan, probability=np.nan, threshold=np.nan, decision=np.int8(0))
        writer = MemoryUnitWriter(self.pipeline.describe())
        writer.add(*self.pipeline.samples(table, done))
        return ordered(score_source(model, judge, model.record.calibration, writer.source())).assign(
            label=table["label"].to_numpy()
        )

    def _extras(self, folder: Path, table: pd.DataFrame, done: Difference) -> None:
        if self.export == "hdf5":
            rows, arrays = self.pipeline.samples(table, done)
            write_triplets(folder / "triplets.h5", rows, arrays["stamps"], self.pipeline.describe()["channels"])
        if self.intermediates:
            psfs = done.pair.psfs
            write_image(folder / "science.fits", done.science.with_(psf=psfs[0]))
            write_image(folder / "reference.fits", done.reference.with_(psf=psfs[1]))

    def _summary(self, table: pd.DataFrame, done: Difference) -> dict[str, Any]:
        names = ("sig_std_raw", "neighbour_corr", "overlap", "fwhm_science", "fwhm_reference", "flux_ratio")
        summary: dict[str, Any] = {"candidates": len(table)}
        said = done.quality.record()
        summary |= {name: round(said[name], 4) for name in names}
        for side in ("science", "reference"):
            if said[f"psf_{side}_from"] == "given":
                summary[f"psf_{side}"] = "given, not measured"
        if "score" in table:
            summary["scored"] = int(table["score"].notna().sum())
        if done.quality.warnings:
            summary["warnings"] = list(done.quality.warnings)
        return {**summary, "output_dir": self.output_dir}
