"""``astrid recover``: what each way of subtracting finds of known or injected sources."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.errors import UserError
from astrid_ml.executors.within import within_memory
from astrid_ml.files import finite, whole, write_json
from astrid_ml.found import found
from astrid_ml.preprocessing.differencing.commands.inject import free_places
from astrid_ml.preprocessing.differencing.commands.recovery import Recovery, recover, summarise
from astrid_ml.preprocessing.differencing.commands.recovery_figure import write_recovery_figure
from astrid_ml.preprocessing.differencing.frame.apart import refuse_one_image
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.manifest import Pair, find_pairs, frame_files
from astrid_ml.preprocessing.differencing.frame.truth import placed, truth_table
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.pixels.stamps import render_sources
from astrid_ml.preprocessing.differencing.stars.psf import GivenPsf
from astrid_ml.preprocessing.differencing.stars.select import find_sources
from astrid_ml.types import Count, Filled, InUnits, NonNegative, Ordered, Positive, Seed, Whole

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

    @within_memory("a pair of frames")
    def run(self) -> dict[str, Any]:
        """Run every way on every pair; returns the table's main columns."""
        ways, pairs = self._ways(), self._pairs()
        results: dict[str, list[Recovery]] = {name: [] for name in ways}
        failed: list[str] = []
        without: set[str] = set()
        for label, science, reference, truth in self._cases(pairs):
            for name, pipeline in ways.items():
                if isinstance(pipeline.psf, GivenPsf) and (science.psf is None or reference.psf is None):
                    without.add(label)
                    continue
                try:
                    done = pipeline(science, reference)
                except UserError as error:
                    failed.append(f"{label}, {name}: {error}")
                    continue
                results[name].append(recover(done, truth, self.radius, self.bright))
            _LOG.info("%s: %d known sources", label, len(truth))
        if without:
            _LOG.warning("%d pairs bring no PSFs and have no row for given ones", len(without))
        results = {name: parts for name, parts in results.items() if parts}
        if not results:
            raise UserError("a pair that can be subtracted", "; ".join(failed)[:400], "see the reasons")
        table = pd.DataFrame([{"name": name, **summarise(parts)} for name, parts in results.items()])
        sources = {name: pd.concat([p.sources for p in parts], ignore_index=True) for name, parts in results.items()}
        self._write(Path(self.output_dir), table, sources, failed)
        shown = ("completeness_above_7", "m50", "false_positives_per_mpx", "slope", "pull_std", "sig_std_raw")
        brief = {row["name"]: {k: _round(row[k]) for k in shown if k in row} for row in table.to_dict("records")}
        return {"rows": brief, "failed": len(failed), "output_dir": self.output_dir}

    def _ways(self) -> dict[str, DifferencingPipeline]:
        ways = {name: replace(self.pipeline, subtract=step) for name, step in self.subtractions.items()}
        ways |= {f"psf {name}": replace(self.pipeline, psf=step) for name, step in self.psfs.items()}
        if self.methods is not None:
            unknown = sorted(set(self.methods) - set(ways))
            if unknown:
                raise UserError(f"methods among {', '.join(ways)}", ", ".join(unknown), "choose some of them")
            ways = {name: ways[name] for name in self.methods}
        return ways

    def _pairs(self) -> list[tuple[Pair, pd.DataFrame | None]]:
        """The pairs with their truth, None where sources are injected: all tables and files are looked at first.

        Raises:
            UserError: no pair, a file that is not there, a pair without truth, a table that is none.
        """
        if self.input is None:
            if not (self.science and self.science.path and self.reference and self.reference.path):
                raise UserError("input=MANIFEST, or science=A reference=B", "neither", "give one of them")
            if self.inject.n < 1:
                raise UserError("known sources", "inject.n=0", "set inject.n=100")
            refuse_one_image(self.science, self.reference)
            return [(Pair(self.science.path, vars(self.science), vars(self.reference)), None)]
        pairs = find_pairs([Path(self.input)])[: self.limit]
        files = [path for pair in pairs for side in (pair.science, pair.reference) for path in frame_files(side)]
        if absent := [found(path) for path in files if not path.is_file()]:
            got = f"{', '.join(absent[:3])}{f' and {len(absent) - 3} more' if len(absent) > 3 else ''}"
            raise UserError("the files that the manifest names", got, "correct the manifest, or fetch them")
        if self.inject.n > 0:
            return [(pair, None) for pair in pairs]
        without = [pair.name for pair in pairs if pair.truth is None]
        if without:
            fix = "add the column truth to the manifest, or inject: inject.n=100"
            raise UserError("a truth for each pair", f"none for {without[0]}", fix)
        return [(pair, truth_table(str(pair.truth))) for pair in pairs]

    def _cases(
        self, pairs: Sequence[tuple[Pair, pd.DataFrame | None]]
    ) -> Iterator[tuple[str, Image, Image, pd.DataFrame]]:
        load = self.pipeline.loader()
        for number, (pair, truth) in enumerate(pairs):
            science, reference = load(Frame(**pair.science)), load(Frame(**pair.reference))
            if truth is None:
                yield self._injected(pair.name, science, reference, number)
            else:
                yield pair.name, science, reference, placed(truth, science)

    def _injected(
        self, name: str, science: Image, reference: Image, number: int
    ) -> tuple[str, Image, Image, pd.DataFrame]:
        flat = self.pipeline.flat(science)
        found = find_sources(flat)
        estimate = self.pipeline.psf(flat, found, self.pipeline.stars(flat, found))
        psf = estimate.psf if estimate.psf.ndim == 2 else estimate.psf.mean((0, 1))
        changed, truth = self.inject(science, psf, self.seed + number)
        return name, changed, reference, truth

    def _write(self, folder: Path, table: pd.DataFrame, sources: dict[str, pd.DataFrame], failed: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / "recover.parquet") as at:
            table.to_parquet(at, index=False)
        write_json(folder / "recover.json", {"rows": table.to_dict("records"), "failed": failed})
        joined = pd.concat([part.assign(method=name) for name, part in sources.items()], ignore_index=True)
        with whole(folder / "sources.parquet") as at:
            joined.to_parquet(at, index=False)
        write_recovery_figure(folder / "recover.png", sources, table)


def _round(value: Any) -> Any:
    value = finite(value)
    return round(value, 4) if isinstance(value, float) else value
