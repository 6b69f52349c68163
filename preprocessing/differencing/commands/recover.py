"""``astrid recover``: what each way of subtracting finds of known or injected sources."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_described
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.files import finite, write_json
from astrid_ml.found import found
from astrid_ml.nearest import nearest
from astrid_ml.pipeline.parts import Part, do_parts, forget_other_parts, in_short, said_of_share
from astrid_ml.pipeline.shards import share_of
from astrid_ml.preprocessing.differencing.commands.inject import free_places
from astrid_ml.preprocessing.differencing.commands.recover_pair import (
    PairToRecover,
    RecoverPair,
    parts_of,
    recoveries,
    sources_of,
)
from astrid_ml.preprocessing.differencing.commands.recovery import Recovery, summarise
from astrid_ml.preprocessing.differencing.commands.recovery_figure import write_recovery_figure
from astrid_ml.preprocessing.differencing.frame.apart import refuse_one_image
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs, frame_files
from astrid_ml.preprocessing.differencing.frame.pair import Pair
from astrid_ml.preprocessing.differencing.frame.truth import truth_table
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.reasons import mend, shortened
from astrid_ml.types import Count, Filled, InUnits, NonNegative, Ordered, Positive, Seed, Whole

FORM = 2  # of what is kept of a pair: raised when the same pair and settings give something else
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Injections:
    """Point sources put into the science image before it is subtracted.

    Args:
        n: of a pair; 0 injects nothing and takes the manifest's truth.
        snr: range of the optimal S/N on sky, log-uniform.
        spacing: px between them.
        margin: px to the edge.
    """

    n: Whole = 0
    snr: Annotated[tuple[Positive, Positive] | list[Positive], Ordered()] = (3.0, 40.0)
    spacing: Annotated[NonNegative, InUnits("px")] = 16.0
    margin: Annotated[Whole, InUnits("px")] = 40

    def __post_init__(self) -> None:
        """Refuse values of sources that are not put in."""
        given = {"snr": tuple(self.snr) != Injections.snr, "spacing": self.spacing != Injections.spacing}
        given["margin"] = self.margin != Injections.margin
        if not self.n and any(given.values()):
            keys = " and ".join(f"inject.{name}" for name, said in given.items() if said)
            raise UserError(
                f"inject.n above 0 beside {keys}", "inject.n=0: nothing is put in", "for instance inject.n=50"
            )

    def __call__(self, image: Image, psf: torch.Tensor, seed: int) -> tuple[Image, pd.DataFrame]:
        """The image with sources added (their Poisson noise too, where the gain is known), and their truth."""
        rng = np.random.default_rng(seed)
        x, y = free_places(image, self.n, self.spacing, self.margin, rng)
        sky = float(image.variance[~image.mask].median())
        error = float(np.sqrt(sky / float(psf.square().sum())))
        low, high = np.log(self.snr[0]), np.log(self.snr[1])
        flux = error * np.exp(rng.uniform(low, high, len(x)))
        at = (torch.from_numpy(x), torch.from_numpy(y))
        added = render_sources(image.shape, psf, *at, torch.from_numpy(flux.astype(np.float32))).clamp_min(0)
        variance = image.variance
        if image.gain_known and image.variance_includes_source:
            electrons = added.double().numpy() * image.gain
            noise = torch.from_numpy(rng.poisson(electrons).astype(np.float32)) / image.gain
            variance = variance + added / image.gain
            added = noise
        point = np.nan if image.zero_point is None else image.zero_point
        truth = pd.DataFrame({"x": x, "y": y, "flux": flux, "mag": point - 2.5 * np.log10(flux), "injected": True})
        return image.with_(data=image.data + added, variance=variance), truth


@dataclass(frozen=True)
class RecoverCommand:
    """Subtract pairs in several ways and compare what each finds.

    Args:
        input: a manifest with a truth for each pair, or a folder that holds one; None: ``science`` and ``reference``.
        science, reference: one pair; needs ``inject.n``.
        output_dir: gets ``recover.parquet``, ``recover.json``, ``recover.png`` and ``sources.parquet``.
        pipeline: the steps that are not varied.
        subtractions, psfs: the ways that are compared: each subtraction with the pipeline's PSF, then each PSF with the
            pipeline's subtraction.
        inject: sources to add.
        methods: names of the ways to run; None runs all.
        limit: pairs at most.
        radius: px; of detections to the truth.
        bright: flux (science units) of stars near which false positives are counted apart.
        seed: of the injections.
        executor: where the pairs are subtracted; None is one after the other in this process.
        shard: ``i/n`` subtracts every n-th pair from the i-th on; ``join`` compares what shards did.
        format: of both tables beside parquet: ecsv, votable, fits.
    """

    output_dir: str
    input: str | None = None
    science: Frame | None = None
    reference: Frame | None = None
    pipeline: DifferencingPipeline = field(default_factory=DifferencingPipeline)
    subtractions: Mapping[str, Any] = field(default_factory=dict)
    psfs: Mapping[str, Any] = field(default_factory=dict)
    inject: Injections = field(default_factory=Injections)
    methods: Annotated[tuple[str, ...] | list[str] | None, Filled()] = None
    limit: Count | None = None
    radius: Annotated[Positive, InUnits("px")] = 4.0
    bright: Positive = 2e4
    seed: Seed = 1
    executor: Executor | None = None
    shard: str | None = None
    format: str | list[str] | None = None

    def run(self) -> dict[str, Any]:
        """Run every way on every pair that is not done; returns the table's main columns.

        A pair that fails, or a way that fails on one, is named, and the others go on.
        """
        share = share_of(self.shard)
        formats_of(self.format)
        ways, pairs, output = self._ways(), self._pairs(), Path(self.output_dir)
        settings = ["recover", FORM, self.pipeline, ways, self.inject, self.radius, self.bright]
        roots = [] if self.input is None else [Path(self.input)]
        parts = parts_of(pairs, settings, roots)
        output.mkdir(parents=True, exist_ok=True)
        work = RecoverPair(self.pipeline, ways, self.inject, self.radius, self.bright, output)
        results = do_parts(
            work,
            parts,
            output,
            settings=settings,
            executor=self.executor or Serial(),
            share=share,
            what="recovering",
            roots=roots,
        )
        if results is None:
            return {**said_of_share(output, share), "output_dir": self.output_dir}
        found, failed = self._joined(parts, results, list(ways))
        forget_other_parts(output, {part.item.mark for part in parts})
        if not found:
            if len(results) == 1 and isinstance(results[0], UserError):
                raise results[0]
            raise UserError(
                "a pair that can be subtracted",
                shortened("; ".join(failed), 400),
                mend(failed, "mend what the reasons name"),
            )
        table = pd.DataFrame([{"name": name, **summarise(each)} for name, each in found.items()])
        sources = {name: pd.concat([p.sources for p in each], ignore_index=True) for name, each in found.items()}
        self._write(output, table, sources, failed)
        shown = ("completeness_above_7", "m50", "false_positives_per_mpx", "slope", "pull_std", "sig_std_raw")
        brief = {row["name"]: {k: _round(row[k]) for k in shown if k in row} for row in table.to_dict("records")}
        return {"rows": brief, "failed": len(failed), "output_dir": self.output_dir}

    def _joined(
        self, parts: Sequence[Part], results: Sequence[dict[str, Any] | Exception], ways: Sequence[str]
    ) -> tuple[dict[str, list[Recovery]], list[str]]:
        """What each way recovered of all pairs, in their order, and what failed with its reason."""
        found: dict[str, list[Recovery]] = {name: [] for name in ways}
        failed: list[str] = []
        without = 0
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, Exception):
                failed.append(f"{part.name}: {in_short(result)}")
                continue
            failed += [f"{part.name}, {name}: {reason}" for name, reason in result["failed"].items()]
            without += bool(result["without_psfs"])
            for name, one in recoveries(result, sources_of(Path(self.output_dir), part.item.mark)).items():
                found[name].append(one)
        if without:
            _LOG.warning("%d pairs bring no PSFs and have no row for given ones", without)
        return {name: each for name, each in found.items() if each}, failed

    def _ways(self) -> dict[str, DifferencingPipeline]:
        ways = {name: replace(self.pipeline, subtract=step) for name, step in self.subtractions.items()}
        ways |= {f"psf {name}": replace(self.pipeline, psf=step) for name, step in self.psfs.items()}
        if self.methods is not None:
            unknown = sorted(set(self.methods) - set(ways))
            if unknown:
                raise UserError(
                    f"methods among {', '.join(ways)}",
                    ", ".join(unknown),
                    nearest(unknown[0], ways) or "choose some of them",
                )
            ways = {name: ways[name] for name in self.methods}
        return ways

    def _pairs(self) -> list[PairToRecover]:
        """The pairs, with a seed where sources are injected: all tables and files are looked at first.

        Raises:
            UserError: no pair, a file that is not there, a pair without truth, a table that is none.
        """
        if self.input is None:
            if not (self.science and self.science.path and self.reference and self.reference.path):
                raise UserError("input=MANIFEST, or science=A reference=B", "neither", "give one of them")
            if self.inject.n < 1:
                raise UserError("known sources", "inject.n=0", "set inject.n=100")
            refuse_one_image(self.science, self.reference)
            return [PairToRecover(Pair(self.science.path, vars(self.science), vars(self.reference)), self.seed)]
        pairs = find_pairs([Path(self.input)])[: self.limit]
        files = [path for pair in pairs for side in (pair.science, pair.reference) for path in frame_files(side)]
        if absent := [found(path) for path in files if not path.is_file()]:
            got = f"{', '.join(absent[:3])}{f' and {len(absent) - 3} more' if len(absent) > 3 else ''}"
            raise UserError("the files that the manifest names", got, "correct the manifest, or fetch them")
        if self.inject.n > 0:
            return [PairToRecover(pair, self.seed + number) for number, pair in enumerate(pairs)]
        without = [pair.name for pair in pairs if pair.truth is None]
        if without:
            fix = "add the column truth to the manifest, or inject: inject.n=100"
            raise UserError("a truth for each pair", f"none for {without[0]}", fix)
        for pair in pairs:
            truth_table(str(pair.truth))
        return [PairToRecover(pair) for pair in pairs]

    def _write(self, folder: Path, table: pd.DataFrame, sources: dict[str, pd.DataFrame], failed: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        formats = formats_of(self.format)
        write_described(table, folder / "recover.parquet", TableMeaning("recovery"), formats)
        write_json(folder / "recover.json", {"rows": table.to_dict("records"), "failed": failed})
        joined = pd.concat([part.assign(method=name) for name, part in sources.items()], ignore_index=True)
        write_described(joined, folder / "sources.parquet", TableMeaning("sources"), formats)
        write_recovery_figure(folder / "recover.png", sources, table)


def _round(value: Any) -> Any:
    value = finite(value)
    return round(value, 4) if isinstance(value, float) else value
