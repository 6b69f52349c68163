"""A checkpoint in a prediction: its network slides over the exposure, its fusion decides what is listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from astrid_ml.checkpoint.load import load_model
from astrid_ml.devices import device_of, full_precision
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.lists import as_jumps
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.context import two_levels
from astrid_ml.preprocessing.ramps.fusion.evidence import EvidenceSearch, found_by
from astrid_ml.preprocessing.ramps.fusion.fusion import FUSIONS, Fusion, fused_probabilities, log_odds
from astrid_ml.preprocessing.ramps.fusion.windows import VoxelScorer, Windows, mean_scorer
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.types import Array, Bits, Floats

if TYPE_CHECKING:
    from torch import Tensor

_PIXEL = ["integration", "y", "x"]
_LONG = 1.5  # ramps longer than this many trained ones are cut in time


@runtime_checkable
class ScoresVoxels(Protocol):
    """A task whose network gives log-odds of every voxel."""

    def voxel_scorer(self, precision: str = "auto") -> VoxelScorer:
        """The network as a function of the signal in read noises and the times of the reads."""


@dataclass(frozen=True)
class RampNetwork:
    """A trained network and the fusions fitted with it.

    Args:
        score: the network.
        fusions: by name, see ``FUSIONS``.
        n_groups: lengths of the ramps it was validated on.
        group_time: their times between groups, s.
        detectors: that it was trained for; empty where it was held out by detector, and is for any.
    """

    score: VoxelScorer
    fusions: dict[str, Fusion]
    n_groups: tuple[float, ...]
    group_time: tuple[float, ...]
    detectors: tuple[str, ...] = ()

    @staticmethod
    def load(path: str | Path, precision: str = "auto", trust: Sequence[str] = (), device: str = "cpu") -> RampNetwork:
        """Load ``best.ckpt``; the networks of all folds where it holds them.

        Args:
            path: of a run of a ramp experiment.
            precision: fp32, bf16, or auto.
            trust: classes outside this project that the checkpoint may name.
            device: where it computes: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Raises:
            UserError: no such device; it is a checkpoint of another task, or holds no fusion.
        """
        where = device_of(device)
        model = load_model(Path(path), trust, device=where)
        tasks = [task for task in model.tasks if isinstance(task, ScoresVoxels)]
        if model.record.domain != "ramps" or len(tasks) < len(model.tasks):
            raise UserError(
                "a checkpoint of a ramp experiment for task=ramps",
                f"{path}, of domain {model.record.domain}",
                "give the best.ckpt of astrid train experiment=ramp_anomalies",
            )
        stored = model.record.calibration.get("parameters", {})
        if not set(FUSIONS) <= set(stored.get("fusions", {})):
            raise UserError(
                "a checkpoint with the weights of its fusion",
                str(model.record.calibration.get("fusion", f"{path} without them")),
                "train with more validation exposures: astrid train experiment=ramp_anomalies",
            )
        fusions = {name: Fusion.from_plain(stored["fusions"][name]) for name in FUSIONS}
        cadence = stored["cadence"]
        score = in_full_precision(mean_scorer([task.voxel_scorer(precision) for task in tasks]), where)
        known = (model.record.validity or {}).get("values", {}).get("detector", [])
        return RampNetwork(score, fusions, tuple(cadence["n_groups"]), tuple(cadence["group_time"]), tuple(known))

    def cadence_warning(self, ramp: Ramp) -> str | None:
        """What is unlike training, with the numbers; None where cadence and detector are the same."""
        n, step = ramp.shape[1], float(np.mean(ramp.steps))
        said = []
        if n not in self.n_groups:
            said.append(f"{n} groups, trained on {_span(self.n_groups)}")
        if not min(self.group_time) * 0.99 <= step <= max(self.group_time) * 1.01:
            said.append(f"{step:.4g} s between groups, trained on {_span(self.group_time)} s")
        if self.detectors and ramp.detector is not None and ramp.detector not in self.detectors:
            said.append(f"detector {ramp.detector}, trained on {', '.join(self.detectors)}")
        return f"{ramp.name}: {'; '.join(said)}" if said else None

    def search(self, ramp: Ramp, windows: Windows, name: str = "fusion") -> EvidenceSearch:
        """How candidates of a ramp are searched: windows of the trained length where the ramp is much longer."""
        fusion = self.fusions[name]
        longest = int(max(self.n_groups))
        if windows.depth is None and ramp.shape[1] > _LONG * longest:
            windows = replace(windows, depth=max(longest, 4))
        return EvidenceSearch(fusion.faintest, fusion.network_level, windows)

    def refine(self, processed: Processed, cube: Array, windows: Windows) -> Processed:
        """The list of likelihood and rules, decided anew with the network.

        Args:
            processed: the exposure, and what likelihood and rules found in it.
            cube: processed reads in e-, (n_ints, n_groups, n_rows, n_cols).
            windows: the network's.
        """
        table = self.search(processed.exposure.ramp, windows)(processed, cube, self.score)
        return fused(table, self.fusions["fusion"], processed)


def in_full_precision(scorer: VoxelScorer, device: str) -> VoxelScorer:
    """A scorer whose float32 is float32 on a GPU too.

    Args:
        scorer: the network.
        device: where it computes.
    """

    def score(cube: Tensor, times: Tensor) -> Tensor:
        with full_precision(device):
            return scorer(cube, times)

    return score


def _span(values: tuple[float, ...]) -> str:
    return f"{min(values):g}" if min(values) == max(values) else f"{min(values):g} to {max(values):g}"


def fused(table: pd.DataFrame, fusion: Fusion, processed: Processed) -> Processed:
    """Jumps and telegraph pixels by a fusion; ``probability`` is that of an anomaly of any kind.

    Args:
        table: candidates.
        fusion: whose decision counts.
        processed: what likelihood and rules found.
    """
    probability = fused_probabilities(fusion, table, fusion.faintest)
    listed = log_odds(probability) >= fusion.threshold
    chosen, odds = table[listed].reset_index(drop=True), probability[listed]
    level = fusion.network_threshold if fusion.with_network else None
    jumps = chosen.assign(
        type=kinds(chosen, odds),
        probability=odds[:, 1:].sum(axis=1).astype(np.float32),
        found_by=found_by(chosen, level),
    )
    jumps = as_jumps(jumps.sort_values(["integration", "y", "x", "group"], kind="stable", ignore_index=True))
    return replace(processed, jumps=jumps, telegraph=telegraph_pixels(jumps, processed))


def kinds(table: pd.DataFrame, probability: Floats) -> Bits:
    """The class of each listed step; the steps of one pixel are judged together, but for snowballs.

    Args:
        table: integration, group, y, x, amplitude, telegraph.
        probability: (n, 4).
    """
    own = probability[:, 1:].argmax(axis=1) + 1
    logs = pd.DataFrame(
        np.log(np.clip(probability[:, [COSMIC_RAY, TELEGRAPH_NOISE]], 1e-12, 1)), columns=["ray", "rtn"]
    )
    logs.loc[own == SNOWBALL] = 0.0
    whole = logs.groupby([table[name] for name in _PIXEL]).transform("sum")
    flickers = (whole.rtn > whole.ray).to_numpy(bool) & two_levels(table)
    together = np.where(flickers, TELEGRAPH_NOISE, COSMIC_RAY)
    return np.where(own == SNOWBALL, SNOWBALL, together).astype(np.uint8)


def telegraph_pixels(jumps: pd.DataFrame, processed: Processed) -> pd.DataFrame:
    """Telegraph pixels of the fused list: the two-state fits that it confirms, and pixels that have none."""
    flickers = jumps[jumps.type == TELEGRAPH_NOISE]
    per_pixel = flickers.assign(size=flickers.amplitude.abs()).groupby(_PIXEL, as_index=False)
    pixels = per_pixel.agg(
        n=("group", "size"), size=("size", "median"), first=("group", "min"), confidence=("probability", "mean")
    )
    fits = processed.telegraph.astype(dict.fromkeys(_PIXEL, np.int64))
    table = pixels.merge(fits, on=_PIXEL, how="left")
    table = table[table.r2.notna() | (table.n >= processed.exposure.settings.config.rtn_min_transitions)]
    return pd.DataFrame(
        {
            **{name: table[name].astype(np.int64) for name in _PIXEL},
            "amplitude": table.amplitude.fillna(table["size"]).astype(float),
            "transitions": table.transitions.fillna(table.n).astype(np.int64),
            "r2": table.r2.astype(float),
            "first_frame": table.first_frame.fillna(table["first"]).astype(np.int64),
            "confidence": table.confidence.astype(float),
        }
    ).reset_index(drop=True)
