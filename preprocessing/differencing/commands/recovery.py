"""How well a subtraction finds known sources: completeness, false positives, flux bias and pull."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.metrics.ranking import completeness
from astrid_ml.preprocessing.differencing.detect.measure import forced
from astrid_ml.preprocessing.differencing.detect.options import EDGE, NEAR_MASK
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.frame.truth import match
from astrid_ml.preprocessing.differencing.stars.select import find_sources
from astrid_ml.stats import robust_sigma, wilson
from astrid_ml.types import Floats, Mask

BLANK_SKY = ("sig_std_raw", "neighbour_corr", "sig_mean")
SNR_BINS = (4.0, 5.0, 7.0, 10.0, 20.0, np.inf)


@dataclass(frozen=True)
class Recovery:
    """What one subtraction made of one pair.

    Args:
        sources: a row for each known source: x, y, flux, mag, snr_opt where known, kind, ``found``, ``masked``,
            ``alone`` (no other known source within 12 px), ``snr``, ``flux_forced``, ``flux_err`` at its true position.
        counts: false positives and negatives, those near bright stars apart, the pair's own candidates, and the area in
            Mpx they come from.
        blank_sky: figures of the significance, by the names of ``BLANK_SKY``.
    """

    sources: pd.DataFrame
    counts: dict[str, float]
    blank_sky: dict[str, float]


def recover(
    done: Difference,
    truth: pd.DataFrame,
    radius: float,
    bright: float,
    clearance: float = 4.0,
    own: pd.DataFrame | None = None,
) -> Recovery:
    """Compare a subtracted pair with its truth.

    Args:
        done: the pair.
        truth: x, y (px of the science image), flux (science units); more columns are kept.
        radius: px; of candidates to the truth, one-to-one.
        bright: flux of the stars near which false positives are counted apart (within 12 px).
        clearance: px; a candidate this near to any known source is no false positive.
        own: x, y, sign of what the same way finds before sources were put in. Of a real pair nobody knows which of
            these are real: those within ``clearance`` of one of its sign are counted apart, and are not false.
    """
    table, at = done.candidates, truth[["x", "y"]].to_numpy(dtype=float)
    sign = np.where(truth["flux"].to_numpy() >= 0, 1, -1)
    found = np.zeros(len(truth), dtype=bool)
    for s in (1, -1):
        rows, known = table[table["sign"] == s], np.flatnonzero(sign == s)
        index, _ = match(rows["x"].to_numpy(), rows["y"].to_numpy(), at[known, 0], at[known, 1], radius)
        found[known[index[index >= 0]]] = True
    x, y = (torch.from_numpy(at[:, i].copy()) for i in (0, 1))
    flux, error, snr = (t.double().numpy() for t in forced(done.result, x, y))
    out = truth.reset_index(drop=True).assign(found=found, flux_forced=flux, flux_err=error, snr=snr)
    h, w = done.science.shape
    rows_, columns = np.clip(np.rint(at[:, 1]).astype(int), 0, h - 1), np.clip(np.rint(at[:, 0]).astype(int), 0, w - 1)
    out["masked"] = done.result.mask.numpy()[rows_, columns]
    out["alone"] = _alone(at, 12.0)
    said = done.quality.significance.record()
    return Recovery(out, _false(done, at, bright, clearance, own), {name: said[name] for name in BLANK_SKY})


def _alone(at: Floats, distance: float) -> Mask:
    from scipy.spatial import cKDTree

    if len(at) < 2:
        return np.ones(len(at), dtype=bool)
    distances = np.asarray(cKDTree(at).query(at, k=2)[0])
    return np.asarray(distances[:, 1] > distance)


def _false(done: Difference, at: Floats, bright: float, clearance: float, own: pd.DataFrame | None) -> dict[str, float]:
    """Unmasked candidates far from all known sources and 32 px from the edge; those of the pair's own apart."""
    from scipy.spatial import cKDTree

    table, (h, w), edge = done.candidates, done.science.shape, 32
    inner = table["x"].between(edge, w - 1 - edge) & table["y"].between(edge, h - 1 - edge)
    table = table[inner & ((table["flags"].to_numpy() & (EDGE | NEAR_MASK)) == 0)]
    places = table[["x", "y"]].to_numpy()
    if len(at) and len(table):
        table = table[cKDTree(at).query(places)[0] >= clearance]
        places = table[["x", "y"]].to_numpy()
    known = _near_own(table, own, clearance)
    table, places = table[~known], places[~known]
    stars = find_sources(done.science).table
    at_stars = stars[stars["flux"] > bright][["x", "y"]].to_numpy()
    near = np.zeros(len(places), dtype=bool)
    if len(at_stars) and len(places):
        near = np.asarray(cKDTree(at_stars).query(places)[0]) <= 12
    positive = table["sign"].to_numpy() > 0
    area = float((~done.result.mask[edge:-edge, edge:-edge]).sum()) / 1e6
    return {
        "false_positives": float((positive & ~near).sum()),
        "false_negatives": float((~positive & ~near).sum()),
        "false_near_bright": float(near.sum()),
        "own_candidates": float(known.sum()),
        "area_mpx": area,
    }


def _near_own(table: pd.DataFrame, own: pd.DataFrame | None, clearance: float) -> Mask:
    """Candidates near one of its sign that was there before."""
    from scipy.spatial import cKDTree

    out = np.zeros(len(table), dtype=bool)
    if own is None:
        return out
    for sign in (1, -1):
        rows, there = np.flatnonzero(table["sign"] == sign), own[own["sign"] == sign]
        if len(rows) and len(there):
            tree = cKDTree(there[["x", "y"]].to_numpy())
            out[rows] = np.asarray(tree.query(table[["x", "y"]].to_numpy()[rows])[0]) < clearance
    return out


def summarise(parts: list[Recovery]) -> dict[str, Any]:
    """One row of the table: pairs pooled.

    Completeness counts unmasked sources that are alone; intervals are Wilson's, 95 %. Slope and pull are of forced
    fluxes at true positions; the slope for S/N > 10 (that of an ideal measurement where the truth holds it), weighted
    by its square. ``slope_detected`` is that of the detected sources only, which is biased upwards.
    """
    sources = pd.concat([p.sources for p in parts], ignore_index=True)
    fair = sources[~sources["masked"] & sources["alone"]]
    area = sum(p.counts["area_mpx"] for p in parts)
    row: dict[str, Any] = {"pairs": len(parts), "sources": len(sources), "masked": int(sources["masked"].sum())}
    for name in ("false_positives", "false_negatives", "false_near_bright", "own_candidates"):
        row[f"{name}_per_mpx"] = sum(p.counts[name] for p in parts) / area if area else None
    if "snr_opt" in fair:
        for low, high in pairwise(SNR_BINS):
            part = fair[(fair["snr_opt"] > low) & (fair["snr_opt"] <= high)]
            row |= _completeness(part["found"].to_numpy(), f"completeness_{low:g}_{high:g}")
        row |= _completeness(fair[fair["snr_opt"] > 7]["found"].to_numpy(), "completeness_above_7")
    if "mag" in fair:
        row |= magnitudes(fair["mag"].to_numpy(dtype=float), fair["found"].to_numpy())
    row |= _photometry(fair)
    for name in BLANK_SKY:
        row[name] = float(np.mean([p.blank_sky[name] for p in parts]))
    return row


def _completeness(found: Mask, name: str) -> dict[str, Any]:
    value, n = float(completeness(found.sum(), len(found))), len(found)
    low, high = wilson(np.array([value]), np.array([n]))
    shares = {name: value, f"{name}_low": float(low[0]), f"{name}_high": float(high[0])}
    return {key: share if n else None for key, share in shares.items()} | {f"{name}_n": n}


def magnitudes(mag: Floats, found: Mask) -> dict[str, float | None]:
    """Magnitudes at which completeness falls to 80, 50 and 20 %, by a logistic fit that may saturate below 1.

    None where the fit's curve does not cross that level within the data.
    """
    from scipy.optimize import minimize

    out: dict[str, float | None] = {"m80": None, "m50": None, "m20": None}
    good = np.isfinite(mag)
    mag, found = mag[good], found[good]
    if len(mag) < 10 or found.all() or not found.any():
        return out

    def curve(p: Floats, m: Floats) -> Floats:
        top = 1 / (1 + np.exp(-p[2]))
        return np.asarray(top / (1 + np.exp(np.clip((m - p[0]) * np.exp(p[1]), -60, 60))))

    def loss(p: Floats) -> float:
        c = np.clip(curve(p, mag), 1e-9, 1 - 1e-9)
        # a weak prior keeps the slope finite where the two classes are apart
        return float(-np.sum(np.where(found, np.log(c), np.log(1 - c))) + 0.02 * p[1] ** 2 + 0.01 * (p[2] - 4) ** 2)

    start = np.array([np.median(mag[found].max()), 1.5, 4.0])
    best = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-5, "fatol": 1e-8}).x
    grid = np.linspace(mag.min(), mag.max(), 4001)
    value = curve(best, grid)
    for name, level in (("m80", 0.8), ("m50", 0.5), ("m20", 0.2)):
        below = np.flatnonzero(value < level)
        out[name] = float(grid[below[0]]) if below.size and below[0] > 0 else None
    return out


def _photometry(fair: pd.DataFrame) -> dict[str, float | None]:
    truth, flux, error = (fair[c].to_numpy(dtype=float) for c in ("flux", "flux_forced", "flux_err"))
    snr = fair["snr_opt"].to_numpy(dtype=float) if "snr_opt" in fair else np.abs(truth) / error
    pull = (flux - truth) / error
    strong, seen = snr > 10, (snr > 10) & fair["found"].to_numpy()
    slope, slope_error = _slope(truth[strong], flux[strong], snr[strong])
    few = len(pull) < 3
    return {
        "slope": slope,
        "slope_err": slope_error,
        "slope_detected": _slope(truth[seen], flux[seen], snr[seen])[0],
        "pull_mean": None if few else float(np.mean(pull)),
        "pull_std": None if few else float(np.std(pull, ddof=1)),
        "pull_robust": None if few else float(robust_sigma(pull)),
    }


def _slope(truth: Floats, flux: Floats, snr: Floats) -> tuple[float | None, float | None]:
    """Slope of measured against true flux, weighted by S/N^2 (relative errors), and its error."""
    if len(truth) == 0:
        return None, None
    weight = snr**2 / truth**2
    return float(np.sum(weight * flux * truth) / np.sum(weight * truth**2)), float(1 / np.sqrt(np.sum(snr**2)))
