"""``astrid difference``: pairs of FITS files to candidates, and to scores where a checkpoint is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.devices import device_of
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.within import within_memory
from astrid_ml.files import write_json
from astrid_ml.footprint import pass_on_mark
from astrid_ml.preprocessing.differencing.commands.products import (
    write_candidates,
    write_difference,
    write_image,
    write_triplets,
)
from astrid_ml.preprocessing.differencing.commands.quicklook import write_quicklook
from astrid_ml.preprocessing.differencing.detect.dipole_fit import with_dipole_fits
from astrid_ml.preprocessing.differencing.detect.errors import with_errors
from astrid_ml.preprocessing.differencing.detect.undetected import undetected
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.frame.chips import by_chip
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.pair import Pair, said_of
from astrid_ml.preprocessing.differencing.frame.truth import label_candidates, placed, truth_table
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline, candidate_table
from astrid_ml.printable import printable
from astrid_ml.progress import waiting
from astrid_ml.types import Device, Existing

if TYPE_CHECKING:
    from astrid_ml.checkpoint.load import LoadedModel


@dataclass(frozen=True)
class DifferenceCommand:
    """Subtract a pair, or all of a manifest, and write what there is to know of each.

    Args:
        science, reference: the frames; with ``input`` what no line of the manifest says of its frames.
        output_dir: gets ``difference.fits``, ``candidates.parquet`` and ``.ecsv``, ``quality.json``, ``quicklook.png``.
        pipeline: the steps.
        truth: known positions (CSV or parquet with x, y or ra, dec); fills ``label`` and ``match_id``. Those in which
            nothing was found go into ``undetected.parquet``, with upper limits.
        ckpt_path: a checkpoint that scores the candidates.
        trust: classes outside this project that the checkpoint may name.
        export: ``hdf5`` writes ``triplets.h5``.
        intermediates: write ``science.fits`` and ``reference.fits``, aligned and without background.
        input: a manifest of pairs, or a folder that holds one: each pair gets a folder below ``output_dir``.
        executor: where the pairs of a manifest are subtracted; None is one after the other in this process.
        format: of candidates beside parquet and ECSV: votable, fits.
        shard: ``i/n`` subtracts every n-th pair from the i-th on; ``join`` reports on what shards did.
        device: where the network computes: auto, cpu, cuda or cuda:N.
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
    input: str | None = None
    executor: Executor | None = None
    shard: str | None = None
    format: str | list[str] | None = None
    device: Device = "cpu"

    def run(self) -> dict[str, Any]:
        """Subtract, write, and return the figures that people look at first."""
        formats_of(self.format)
        device_of(self.device)  # one that is not there is refused, be there a network or none
        if self.export not in (None, "hdf5"):
            raise UserError("export=hdf5 or none", str(self.export), "leave it out or write hdf5")
        if self.input is not None:
            named = [side for side in ("science", "reference") if getattr(self, side).path is not None]
            if named:
                got = f"input={self.input} and {' and '.join(f'{side}=' for side in named)}"
                raise UserError("input=MANIFEST, or science=A reference=B", got, "leave out one of them")
            from astrid_ml.preprocessing.differencing.commands.difference_many import difference_manifest

            return difference_manifest(self, self.input)
        if self.shard is not None:
            fix = "give input=MANIFEST, or leave out shard"
            raise UserError("shard=i/n of the pairs of a manifest", f"shard={self.shard} and one pair", fix)
        absent = [f"{side}=FILE" for side in ("science", "reference") if getattr(self, side).path is None]
        if absent:
            got = "neither" if len(absent) == 2 else f"no {absent[0]}"
            raise UserError("science=FILE and reference=FILE, or input=MANIFEST", got, f"add {' '.join(absent)}")
        name = Path(self.science.file).name.split(".")[0]
        pairs = by_chip([Pair(name, said_of(self.science), said_of(self.reference), self.truth)])
        if len(pairs) > 1:
            from astrid_ml.preprocessing.differencing.commands.difference_many import difference_pairs

            return difference_pairs(self, pairs, [Path(self.science.file)])
        return self.one(name)

    @within_memory("a pair of frames")
    def one(self, name: str) -> dict[str, Any]:
        """Subtract the pair of the two frames.

        Args:
            name: of the pair, with which the identifiers of its candidates begin.
        """
        folder = Path(self.output_dir)
        known = truth_table(self.truth) if self.truth else None
        model = self.model()
        with waiting("subtracting"):
            done = self.pipeline.difference(self.science, self.reference)
        with waiting("writing"):
            return self._written(folder, done, model, name, known)

    def model(self) -> LoadedModel | None:
        """The network that scores: loaded before any work, so that a wrong file costs none."""
        if self.ckpt_path is None:
            return None
        return model_of(self.ckpt_path, tuple(self.trust), device_of(self.device))

    def _written(
        self, folder: Path, done: Difference, model: LoadedModel | None, name: str, known: pd.DataFrame | None
    ) -> dict[str, Any]:
        """Write what there is to know of a subtracted pair, and return its figures."""
        folder.mkdir(parents=True, exist_ok=True)
        table = candidate_table(done, name)
        truth = placed(known, done.science) if known is not None else None
        table, _ = label_candidates(table, truth, self.pipeline.match_radius * done.quality.science.fwhm)
        table["source"] = printable(Path(self.science.file).name)
        table = with_errors(table, done.result.psf, done.science)
        table = with_dipole_fits(table, done.result, done.blank, done.quality.science.fwhm)
        table = self._scored(table, done, model)
        folder.mkdir(parents=True, exist_ok=True)
        write_difference(folder / "difference.fits", done, self.science.file, self.reference.file)
        meaning = TableMeaning("candidates", done.science.unit, done.science.zero_point)
        write_candidates(folder, table, meaning, formats_of(self.format))
        if truth is not None:
            rest = undetected(truth, table["match_id"], done.result, done.science)
            meaning = TableMeaning("undetected", done.science.unit, done.science.zero_point)
            write_described(rest, folder / "undetected.parquet", meaning, formats_of(self.format))
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
            pass_on_mark([Path(self.science.file), Path(self.reference.file)], folder)
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


@lru_cache(maxsize=1)
def model_of(path: str, trust: tuple[str, ...], device: str) -> LoadedModel:
    """A checkpoint, loaded once a process.

    Args:
        path: of the checkpoint.
        trust: classes outside this project that it may name.
        device: where it computes, as torch names it.
    """
    from astrid_ml.checkpoint.load import load_model

    return load_model(Path(path), trust, device=device)
