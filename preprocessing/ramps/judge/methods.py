"""What every method claims on one exposure, beside the truth: the raw material of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.evidence import BAND_VOXELS, EvidenceSearch, network_best, voxel_key
from astrid_ml.preprocessing.ramps.fusion.fusion import (
    FUSIONS,
    UNDECIDED,
    Fusion,
    fused_probabilities,
    likelihood_scores,
    log_odds,
)
from astrid_ml.preprocessing.ramps.fusion.network import RampNetwork
from astrid_ml.preprocessing.ramps.fusion.plain import PlainFusion
from astrid_ml.preprocessing.ramps.fusion.truth import labelled
from astrid_ml.preprocessing.ramps.fusion.windows import Windows
from astrid_ml.preprocessing.ramps.judge.truth import Truth
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES, COSMIC_RAY
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Array, Floats, Ints, Mask

SINGLES = ("two_point", "likelihood", "network")
UNTRAINED = "fusion_untrained"  # the fusion that comes with the package, or that a file holds
_FAINTEST_RATIO = 3.0  # sigmas from which a two-point difference is a claim at all


@dataclass(frozen=True)
class Claims:
    """What one method claims.

    Args:
        scores: for a step of any class, then of each class, (n, 4); -inf where none is claimed.
        label: true class, 255 undecided, (n,).
        quiet: whether the pixel has no event at all, (n,).
        exposure: where, (n,).
    """

    scores: Floats
    label: Ints
    quiet: Mask
    exposure: Ints


@dataclass(frozen=True)
class ExposureScores:
    """One exposure.

    Args:
        claims: by method.
        rays: a row a true cosmic-ray step of 3 read noises or more in a pixel without other events: ``size`` (read
            noises) and, for each method, its best score of any step within one group.
        totals: decided true steps of each class.
        area: 10^6 pixel-frames without events.
    """

    claims: dict[str, Claims]
    rays: pd.DataFrame
    totals: dict[str, int]
    area: float


def own_thresholds(network: RampNetwork | None, settings: Processing, plain: bool = False) -> dict[str, float]:
    """The score from which each method lists a step in its ordinary use.

    Args:
        network: from a checkpoint, or None.
        settings: of the detectors.
        plain: whether a fusion of no checkpoint is compared; its scores are those above its own threshold.
    """
    out = {
        "two_point": (settings.twopoint or TwoPoint()).threshold,
        "likelihood": settings.steps.threshold,
    }
    if network is not None:
        out["network"] = network.fusions["fusion"].network_threshold
        out |= {name: network.fusions[name].threshold for name in FUSIONS}
    return out | ({UNTRAINED: 0.0} if plain else {})


def score_exposure(
    number: int,
    processed: Processed,
    cube: Array,
    truth: Truth,
    network: RampNetwork | None,
    windows: Windows,
    plain: PlainFusion | None = None,
) -> tuple[ExposureScores, pd.DataFrame]:
    """All methods on one exposure.

    Args:
        number: of the exposure.
        processed: the exposure, and what likelihood and rules found in it.
        cube: processed reads in e-, (n_ints, n_groups, n_rows, n_cols).
        truth: the exposure's.
        network: from a checkpoint, or None.
        windows: the network's.
        plain: a fusion of no checkpoint, or None.

    Returns:
        The scores, and the table of candidates.
    """
    ramp = processed.exposure.ramp
    search = network.search(ramp, windows) if network is not None else EvidenceSearch(windows=windows)
    table = search(processed, cube, network.score if network is not None else None)
    pairs = two_point_steps(processed.exposure, cube)
    codes = true_steps(truth, cube)
    shape = ramp.shape[1:]
    table, pairs = (_labelled(part, codes, shape, ramp.shape[0]) for part in (table, pairs))
    scores = _scores(table, search.faintest, network)
    if plain is not None:
        scores[UNTRAINED] = _by_fusion(plain.of(ramp), table, search.faintest, above_threshold=True)
    claims = {"two_point": _claims(np.repeat(pairs[["ratio"]].to_numpy(float), 4, axis=1), pairs, number)}
    claims |= {name: _claims(values, table, number) for name, values in scores.items()}
    tables = {name: pairs if name == "two_point" else table for name in claims}
    rays = _rays(truth, claims, tables, ramp.shape)
    totals = {name: int((codes.type == code).sum()) for code, name in enumerate(ANOMALIES, start=1)}
    return ExposureScores(claims, rays, totals, _quiet_area(truth, processed, shape[0])), table


def _scores(table: pd.DataFrame, faintest: float, network: RampNetwork | None) -> dict[str, Floats]:
    out = {"likelihood": likelihood_scores(table, faintest)}
    if network is None:
        return out
    odds = table[[f"network_{name}" for name in ANOMALIES]].to_numpy(float)
    out["network"] = np.column_stack([network_best(table), odds])
    return out | {name: _by_fusion(network.fusions[name], table, faintest) for name in FUSIONS}


def _by_fusion(fusion: Fusion, table: pd.DataFrame, faintest: float, above_threshold: bool = False) -> Floats:
    probability = fused_probabilities(fusion, table, faintest)
    odds = log_odds(probability) - (fusion.threshold if above_threshold else 0.0)
    scores: Floats = np.column_stack([odds, probability[:, 1:]])
    scores[probability[:, 0] >= 1.0] = -np.inf
    return scores


def _claims(scores: Floats, table: pd.DataFrame, number: int) -> Claims:
    exposure = np.full(len(table), number, np.int64)
    return Claims(scores, table.label.to_numpy(np.int64), table.quiet.to_numpy(bool), exposure)


def _labelled(table: pd.DataFrame, codes: pd.DataFrame, shape: tuple[int, ...], n_ints: int) -> pd.DataFrame:
    parts = [labelled(table[table.integration == i], codes[codes.integration == i], shape) for i in range(n_ints)]
    return pd.concat(parts, ignore_index=True)


def true_steps(truth: Truth, cube: Array) -> pd.DataFrame:
    """True steps with their codes; 255 below 2 read noises and where the read is lost."""
    jumps = truth.jumps
    place = tuple(jumps[name].to_numpy(np.int64) for name in ("integration", "group", "y", "x"))
    clear = (jumps.charge.abs() >= 2 * truth.read_noise).to_numpy() & np.isfinite(cube[place])
    return jumps.assign(type=np.where(clear, jumps.type, UNDECIDED))


def two_point_steps(exposure: Exposure, cube: Array) -> pd.DataFrame:
    """Two-point differences of at least 3 sigmas: integration, group, y, x, ratio."""
    ramp, rule = exposure.ramp, exposure.settings.twopoint or TwoPoint()
    plain = replace(rule, flag_neighbours=False)
    noise = torch.from_numpy(ramp.noise(slice(None), slice(None)))
    n_ints, n_groups, n_rows, n_cols = cube.shape
    height = max(1, BAND_VOXELS // (n_groups * n_cols))
    parts = []
    for integration in range(n_ints):
        for start in range(0, n_rows, height):
            rows = slice(start, min(start + height, n_rows))
            reads = np.array(cube[integration, :, rows], np.float32)
            if ramp.reference is not None:
                reads[:, ramp.reference[rows]] = np.nan
            data = torch.from_numpy(reads)[None]
            _, ratio = plain(data, torch.zeros(data.shape, dtype=torch.uint8), noise[rows])
            group, y, x = np.nonzero(ratio[0].nan_to_num(0.0).numpy() >= _FAINTEST_RATIO)
            found = {"integration": integration, "group": group + 1, "y": y + start, "x": x}
            parts.append(pd.DataFrame({**found, "ratio": ratio[0].numpy()[group, y, x]}))
    return pd.concat(parts, ignore_index=True)


def _rays(
    truth: Truth, claims: dict[str, Claims], tables: dict[str, pd.DataFrame], shape: tuple[int, int, int, int]
) -> pd.DataFrame:
    events = truth.jumps.groupby(["integration", "y", "x"]).event.transform("nunique")
    size = truth.jumps.charge / truth.read_noise
    rays = truth.jumps[(truth.jumps.type == COSMIC_RAY) & (events == 1) & (size >= 3.0)]
    out = pd.DataFrame({"size": (rays.charge / truth.read_noise).to_numpy(float)})
    own = _key(rays, shape)
    for name, claim in claims.items():
        key = _key(tables[name], shape)
        order = np.argsort(key, kind="stable")
        ordered, scores = key[order], claim.scores[order, 0]
        best = np.full(len(rays), -np.inf)
        for shift in (-1, 0, 1):
            if len(ordered):
                place = np.minimum(np.searchsorted(ordered, own + shift), len(ordered) - 1)
                best = np.where(ordered[place] == own + shift, np.maximum(best, scores[place]), best)
        out[name] = best
    return out


def _key(table: pd.DataFrame, shape: tuple[int, int, int, int]) -> Ints:
    whole = (shape[2] + 1) * shape[3] * (shape[1] + 2)
    key: Ints = voxel_key(table, shape[1:]) + table.integration.to_numpy(np.int64) * whole
    return key


def _quiet_area(truth: Truth, processed: Processed, n_groups: int) -> float:
    quiet = np.isfinite(processed.features["slope"])
    quiet[tuple(truth.jumps[name].to_numpy(np.int64) for name in ("integration", "y", "x"))] = False
    return float(quiet.sum()) * n_groups / 1e6
