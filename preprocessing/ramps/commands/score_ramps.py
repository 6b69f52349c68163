"""``astrid score-ramps``: two-point, likelihood, network and fusion on exposures with truth, of any generator."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.executors.within import within_memory
from astrid_ml.files import write_json
from astrid_ml.found import none_in
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.lists import detections, with_probability
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.network import RampNetwork, fused
from astrid_ml.preprocessing.ramps.fusion.windows import Windows
from astrid_ml.preprocessing.ramps.judge.methods import ExposureScores, own_thresholds, score_exposure
from astrid_ml.preprocessing.ramps.judge.summary import Comparison
from astrid_ml.preprocessing.ramps.judge.truth import Truth, match_snowballs, telegraph_called
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY
from astrid_ml.preprocessing.ramps.readers.auto import is_ramp_file, read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.types import Count, Existing, Level, Seed
from astrid_ml.walk import walk


@dataclass(frozen=True)
class ScoreRampsCommand:
    """Compare methods on exposures beside which their truth stands.

    The truth of ``<stem>.fits`` (or ``.npy``) is ``<stem>_truth.npz``: ``integration, group, y, x, type, event,
    charge`` (e-) of every step, ``read_noise`` (e-), and optionally ``settings`` (JSON with ``dark`` and ``flux`` in
    e-/s, for the bias of the slopes); and ``<stem>_events.parquet``: for snowballs ``type, integration, group, y, x,
    radius``.

    Args:
        input: a file, a folder (walked through), or several.
        output_dir: gets ``score.json`` and the figures.
        ckpt_path: ``best.ckpt`` of a ramp experiment; None compares two-point and likelihood alone.
        load: what the headers do not say.
        processing: correction and detectors.
        windows: in which the network sees the exposure.
        precision: the network's.
        trust: classes outside this project that the checkpoint may name.
        replicates: bootstrap draws of exposures for the intervals.
        seed: of those draws.
        level: of the intervals.
    """

    input: str | Sequence[str]
    output_dir: str
    ckpt_path: Existing | None = None
    load: RampOptions = field(default_factory=RampOptions)
    processing: Processing = field(default_factory=Processing)
    windows: Windows = field(default_factory=Windows)
    precision: str = "auto"
    trust: Sequence[str] = ()
    replicates: Count = 500
    seed: Seed = 0
    level: Level = 0.95

    @within_memory("an exposure")
    def run(self) -> dict[str, Any]:
        """Score; returns the headline numbers.

        Raises:
            UserError: there are no exposures with truth.
        """
        network = RampNetwork.load(self.ckpt_path, self.precision, self.trust) if self.ckpt_path else None
        files = self._files()
        lists: dict[str, Lists] = {"likelihood": Lists()} | ({"fusion": Lists()} if network is not None else {})
        scores: list[ExposureScores] = []
        slopes, warned = Slopes(), []
        for path in files:
            with tempfile.TemporaryDirectory() as work:
                score, warning = self._exposure(path, len(scores), Path(work), network, lists, slopes)
            scores.append(score)
            warned += [warning] if warning else []
        bootstrap = Bootstrap(self.replicates, self.seed, self.level)
        comparison = Comparison(scores, own_thresholds(network, self.processing), bootstrap)
        result = comparison.summary() | {
            "lists": {name: kept.summary() for name, kept in lists.items()},
            "cleaned_slopes": slopes.summary(),
            "warnings": warned,
        }
        output = Path(self.output_dir)
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / "score.json", result)
        from astrid_ml.preprocessing.ramps.judge.figures import save_figures

        figures = save_figures(comparison, result, output)
        return {"exposures": len(scores), "score": str(output / "score.json"), "figures": [str(p) for p in figures]}

    def _files(self) -> list[Path]:
        found = walk(self.input, is_ramp_file)
        files = [path for path in found if Path(f"{path.with_suffix('')}_truth.npz").is_file()]
        if not files:
            raise UserError(
                "exposures with their truth beside them (<stem>_truth.npz)",
                none_in(self.input),
                "make some: astrid simulate what=ramps simulate.n=8 output_dir=sim",
            )
        for path in files:
            Truth.read(path)  # before the first exposure is worked on, which takes minutes
        return files

    def _exposure(
        self,
        path: Path,
        number: int,
        work: Path,
        network: RampNetwork | None,
        lists: dict[str, Lists],
        slopes: Slopes,
    ) -> tuple[ExposureScores, str | None]:
        ramp, truth = read_ramp(path, self.load), Truth.read(path)
        processed = process(Exposure(ramp, self.processing), work / "cube.npy")
        cube = np.load(work / "cube.npy", mmap_mode="r")
        score, table = score_exposure(number, processed, cube, truth, network, self.windows)
        slopes.add(truth, processed, path)
        plain = replace(processed, jumps=with_probability(processed.jumps, processed.counts["pixels"]))
        lists["likelihood"].add(truth, plain, None)
        if network is not None:
            decided = fused(table, network.fusions["fusion"], processed)
            lists["fusion"].add(truth, decided, score)
        return score, network.cadence_warning(ramp) if network is not None else None


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
