"""One exposure of ``astrid score-ramps``, in whatever process: what every method claims, kept as a file."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.files import read_arrays, whole
from astrid_ml.fingerprint import fingerprint
from astrid_ml.pipeline.parts import PARTS, Part, mark_of
from astrid_ml.places import distinct_names
from astrid_ml.preprocessing.ramps.commands.predict import network_of
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.lists import detections, with_probability
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.network import fused
from astrid_ml.preprocessing.ramps.fusion.plain import SHIPPED, plain_fusion
from astrid_ml.preprocessing.ramps.fusion.windows import Windows
from astrid_ml.preprocessing.ramps.judge.methods import Claims, ExposureScores, score_exposure
from astrid_ml.preprocessing.ramps.judge.truth import Truth, match_snowballs, telegraph_called
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.readable import quiet
from astrid_ml.types import Array


@dataclass(frozen=True)
class ExposureToScore:
    """An exposure, and where its claims go.

    Args:
        path: of the exposure.
        mark: of its file, below ``parts/``.
    """

    path: Path
    mark: str


@dataclass(frozen=True)
class ScoreExposure:
    """The work of ``astrid score-ramps``.

    Args:
        folder: of the results.
        load: what the headers do not say.
        processing: correction and detectors.
        windows: in which the network sees the exposure.
        ckpt_path: of a ramp experiment, or None.
        precision: the network's.
        trust: classes outside this project that the checkpoint may name.
        device: where the network computes: auto, cpu, cuda or cuda:N.
        fusion: of no checkpoint: ``shipped``, a file of weights, or ``none``.
    """

    folder: Path
    load: RampOptions
    processing: Processing
    windows: Windows
    ckpt_path: str | None = None
    precision: str = "auto"
    trust: tuple[str, ...] = ()
    device: str = "cpu"
    fusion: str = SHIPPED

    def __call__(self, item: ExposureToScore) -> tuple[dict[str, Any], list[Path]]:
        """What there is to say of an exposure, and the file that holds its claims."""
        with quiet():
            return self._scored(item)

    def _scored(self, item: ExposureToScore) -> tuple[dict[str, Any], list[Path]]:
        network = (
            None if self.ckpt_path is None else network_of(self.ckpt_path, self.precision, self.trust, self.device)
        )
        lists = {"likelihood": Lists()} | ({"fusion": Lists()} if network is not None else {})
        slopes, truth = Slopes(), Truth.read(item.path)  # before the exposure, which takes minutes
        ramp = read_ramp(item.path, self.load)
        truth.refuse_other_shape(ramp.shape)
        with tempfile.TemporaryDirectory() as work:
            processed = process(Exposure(ramp, self.processing), Path(work) / "cube.npy")
            cube = np.load(Path(work) / "cube.npy", mmap_mode="r")
            score, table = score_exposure(0, processed, cube, truth, network, self.windows, plain_fusion(self.fusion))
        slopes.add(truth, processed, item.path)
        plain = replace(processed, jumps=with_probability(processed.jumps, processed.counts["pixels"]))
        lists["likelihood"].add(truth, plain, None)
        if network is not None:
            lists["fusion"].add(truth, fused(table, network.fusions["fusion"], processed), score)
        warning = network.cadence_warning(ramp) if network is not None else None
        arrays = arrays_of(score) | slopes.arrays()
        for name, kept in lists.items():
            arrays |= {
                f"reliability.{name}.{column}": part[column].to_numpy() for part in kept.reliability for column in part
            }
        path = claims_of(self.folder, item.mark)
        with whole(path) as at:
            np.savez_compressed(at, **arrays)  # type: ignore[arg-type]
        counts = {name: {"telegraph": kept.telegraph, "snowballs": kept.snowballs} for name, kept in lists.items()}
        said = {"arrays": list(arrays), "totals": score.totals, "area": score.area, "lists": counts, "warning": warning}
        return said, [path]


def parts_of(files: Sequence[Path], settings: Any, roots: Sequence[Path]) -> list[Part]:
    """The pieces of work: an exposure each, with its truth.

    Args:
        files: in their order.
        settings: that decide the claims of all.
        roots: files are known by their place below these.
    """
    own, parts = fingerprint(settings), []
    for path, name in zip(files, distinct_names(files), strict=True):
        stem = path.with_suffix("")
        part = Part(name, None, (path, Path(f"{stem}_truth.npz"), Path(f"{stem}_events.parquet")))
        parts.append(replace(part, item=ExposureToScore(path, mark_of(part, own, roots))))
    return parts


def claims_of(folder: Path, mark: str) -> Path:
    """Where the claims on an exposure are kept.

    Args:
        folder: of the results.
        mark: of the exposure.
    """
    return folder / PARTS / f"{mark}.npz"


def arrays_of(score: ExposureScores) -> dict[str, Array]:
    """All arrays of an exposure's scores, by names from which :func:`scores_of` makes them again."""
    out: dict[str, Array] = {f"rays.{name}": score.rays[name].to_numpy() for name in score.rays}
    for method, claim in score.claims.items():
        out |= {f"claims.{method}.{name}": getattr(claim, name) for name in ("scores", "label", "quiet")}
    return out


def scores_of(number: int, said: Mapping[str, Any], arrays: Mapping[str, Array]) -> ExposureScores:
    """An exposure's scores as they were.

    Args:
        number: of the exposure.
        said: of it.
        arrays: of its file.
    """
    of_claims = [name.split(".")[1] for name in arrays if name.startswith("claims.") and name.endswith(".label")]
    claims = {}
    for method in of_claims:
        scores, label, quiet = (arrays[f"claims.{method}.{name}"] for name in ("scores", "label", "quiet"))
        claims[method] = Claims(scores, label, quiet, np.full(len(label), number, np.int64))
    rays = {name.removeprefix("rays."): part for name, part in arrays.items() if name.startswith("rays.")}
    return ExposureScores(claims, pd.DataFrame(rays), dict(said["totals"]), float(said["area"]))


@dataclass
class Scored:
    """What was found of all exposures, joined in their order.

    Args:
        scores: of each.
        lists: method -> what its finished lists are worth.
        slopes: of all.
        warnings: of the network's cadence.
    """

    scores: list[ExposureScores] = field(default_factory=list)
    lists: dict[str, Lists] = field(default_factory=dict)
    slopes: Slopes = field(default_factory=lambda: Slopes())
    warnings: list[str] = field(default_factory=list)

    def add(self, said: Mapping[str, Any], path: Path) -> None:
        """Add an exposure.

        Args:
            said: of it.
            path: of its claims.
        """
        arrays = read_arrays(path, said["arrays"])
        self.scores.append(scores_of(len(self.scores), said, arrays))
        self.slopes.merge(arrays)
        self.warnings += [said["warning"]] if said["warning"] else []
        for name, counts in said["lists"].items():
            self.lists.setdefault(name, Lists()).merge(counts, arrays, f"reliability.{name}.")


@dataclass
class Lists:
    """What the finished lists of one method are worth.

    Args:
        telegraph: counts of telegraph pixels: ``decidable``, and each type that they were called.
        snowballs: counts: ``real``, ``found``, ``matched``.
        reliability: a table an exposure, ``probability`` and ``true`` of each claim.
    """

    telegraph: Counter[str] = field(default_factory=Counter)
    snowballs: Counter[str] = field(default_factory=Counter)
    reliability: list[pd.DataFrame] = field(default_factory=list)

    def add(self, truth: Truth, decided: Processed, score: ExposureScores | None) -> None:
        """Add one exposure."""
        self.telegraph.update(telegraph_called(truth, decided.jumps))
        self.snowballs.update(match_snowballs(truth, detections(decided)))
        if score is not None:
            claim = score.claims["fusion"]
            odds = claim.scores[:, 0]
            known = (claim.label != 255) & np.isfinite(odds)
            share = 1 / (1 + np.exp(-odds[known]))
            self.reliability.append(pd.DataFrame({"probability": share, "true": claim.label[known] > 0}))

    def merge(self, counts: Mapping[str, Mapping[str, int]], arrays: Mapping[str, Array], prefix: str) -> None:
        """Add an exposure that was counted elsewhere.

        Args:
            counts: ``telegraph`` and ``snowballs``.
            arrays: of its file.
            prefix: of the names of the columns of ``reliability``.
        """
        self.telegraph.update(counts["telegraph"])
        self.snowballs.update(counts["snowballs"])
        columns = {name.removeprefix(prefix): part for name, part in arrays.items() if name.startswith(prefix)}
        if columns:
            self.reliability.append(pd.DataFrame(columns))

    def summary(self) -> dict[str, Any]:
        """Counts, the share of decidable telegraph pixels called so, the snowballs' F1, calibration in ten bins."""
        balls, flickers = self.snowballs, self.telegraph
        out: dict[str, Any] = {"telegraph": dict(flickers), "snowballs": dict(balls)}
        out["telegraph_called"] = flickers["telegraph"] / flickers["decidable"] if flickers["decidable"] else None
        out["snowball_f1"] = 2 * balls["matched"] / (balls["real"] + balls["found"]) if balls["real"] else None
        if self.reliability:
            table = pd.concat(self.reliability, ignore_index=True)
            bins = np.minimum((table.probability * 10).astype(int), 9)
            rows = table.groupby(bins).agg(n=("true", "size"), claimed=("probability", "mean"), true=("true", "mean"))
            out["reliability"] = rows.astype(float).to_dict("records")
        return out


@dataclass
class Slopes:
    """Pulls of the cleaned count rates, in their own sigmas, where the true rate is known.

    Args:
        hit: an array an exposure, of pixels with cosmic rays alone.
        clean: an array an exposure, of pixels without events.
    """

    hit: list[Any] = field(default_factory=list)
    clean: list[Any] = field(default_factory=list)

    def add(self, truth: Truth, processed: Processed, path: Path) -> None:
        """Add one exposure; pixels with cosmic rays alone, and pixels without events."""
        with np.load(f"{path.with_suffix('')}_truth.npz") as file:
            settings = json.loads(str(file["settings"])) if "settings" in file.files else {}
        if not {"dark", "flux"} <= set(settings):
            return
        rate, variance = processed.features["slope"], processed.features["slope_variance"]
        with np.errstate(invalid="ignore", divide="ignore"):
            pull = (rate - (float(settings["dark"]) + float(settings["flux"]))) / np.sqrt(variance)
        other, ray = np.zeros(pull.shape, bool), np.zeros(pull.shape, bool)
        for mask, chosen in ((ray, truth.jumps.type == COSMIC_RAY), (other, truth.jumps.type != COSMIC_RAY)):
            mask[tuple(truth.jumps.loc[chosen, name].to_numpy(int) for name in ("integration", "y", "x"))] = True
        usable = np.isfinite(pull) & ~other
        self.hit.append(pull[usable & ray])
        self.clean.append(pull[usable & ~ray])

    def arrays(self) -> dict[str, Array]:
        """The pulls of the only exposure that was added; none where its truth does not tell them."""
        return {f"pulls.{name}": part[0] for name, part in (("hit", self.hit), ("clean", self.clean)) if part}

    def merge(self, arrays: Mapping[str, Array]) -> None:
        """Add an exposure that was measured elsewhere.

        Args:
            arrays: of its file.
        """
        for name, part in (("hit", self.hit), ("clean", self.clean)):
            part += [arrays[f"pulls.{name}"]] if f"pulls.{name}" in arrays else []

    def summary(self) -> dict[str, Any]:
        """Mean and median pull, and its error, of pixels hit by cosmic rays and of pixels without events."""
        out: dict[str, Any] = {}
        for name, parts in (("hit_by_cosmic_rays", self.hit), ("without_events", self.clean)):
            pulls = np.concatenate(parts) if parts else np.zeros(0)
            if len(pulls):
                out[name] = {
                    "n": len(pulls),
                    "mean_pull": float(pulls.mean()),
                    "error": float(pulls.std() / np.sqrt(len(pulls))),
                    "median_pull": float(np.median(pulls)),
                }
        return out
