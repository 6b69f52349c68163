"""The files of a prediction: mask, jumps, events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression
from scipy.special import erfc

from astrid_ml.files import whole, write_array
from astrid_ml.preprocessing.ramps.exposure.processed import PLACE, Processed, Shower
from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball
from astrid_ml.preprocessing.ramps.ramp.codes import CLASS_NAMES, COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.types import Bits, Floats, Ints

JUMP_COLUMNS = ("integration", "group", "y", "x", "type", "amplitude", "snr", "probability", "found_by")


def with_probability(jumps: pd.DataFrame, n_tests: int) -> pd.DataFrame:
    """Add ``probability``: one less the share of false steps among those about as significant.

    n_tests x erfc(|snr| / sqrt 2) false ones are expected beyond |snr|. Between each listed step and the next stronger
    one their number rises by so much; a monotone average of that is the share at a step, not of all beyond it.

    Args:
        jumps: with ``snr``.
        n_tests: differences that were tested.
    """
    size = jumps.snr.abs().to_numpy(float)
    order = np.argsort(-size, kind="stable")
    probability = np.zeros(len(size), np.float32)
    if len(size):
        false = n_tests * erfc(size[order] / np.sqrt(2.0))
        share = isotonic_regression(np.diff(false, prepend=0.0)).x
        probability[order] = np.clip(1 - share, 0, 1)
    return as_jumps(jumps.assign(probability=probability))


def as_jumps(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of ``jumps.parquet`` with their types."""
    types = {"integration": "int32", "group": "int32", "y": "int32", "x": "int32", "type": "uint8"}
    return table[list(JUMP_COLUMNS)].astype(types | {"amplitude": "float32", "snr": "float32"})


def prediction_mask(processed: Processed) -> Bits:
    """Class codes over all integrations: snowball over telegraph noise over cosmic ray."""
    mask = np.zeros(processed.exposure.ramp.shape[2:], np.uint8)
    for code in (COSMIC_RAY, TELEGRAPH_NOISE, SNOWBALL):
        chosen = processed.jumps[processed.jumps.type == code]
        mask[chosen.y.to_numpy(int), chosen.x.to_numpy(int)] = code
        if code == TELEGRAPH_NOISE:
            mask[processed.telegraph.y.to_numpy(int), processed.telegraph.x.to_numpy(int)] = code
    for ball in processed.snowballs:
        mask[ball.pixels[:, 0], ball.pixels[:, 1]] = SNOWBALL
    return mask


def listed_steps(processed: Processed) -> pd.DataFrame:
    """The rows of ``jumps.parquet``: steps of a class, and lone falls with type 0."""
    ramp, counts, falls = processed.exposure.ramp, processed.counts, processed.falls
    if falls.empty:
        return as_jumps(processed.jumps)
    tests = (counts["pixels"] - counts["pixels_unusable"]) * (ramp.shape[1] - 1)
    both = pd.concat([as_jumps(processed.jumps), with_probability(falls, tests)], ignore_index=True)
    return both.sort_values(["integration", "y", "x", "group"], kind="stable", ignore_index=True)


def detections(processed: Processed) -> list[dict[str, Any]]:
    """Events as ``detections.json`` lists them; intensities in DN, positions as (x, y), 0-based."""
    return [event for event, missed in _events(processed) if missed is None]


def left_out(processed: Processed) -> list[dict[str, Any]]:
    """The events that a threshold of ``rules`` keeps out of that list, each with the threshold's name."""
    return [{**event, "left_out_by": missed} for event, missed in _events(processed) if missed is not None]


def _events(processed: Processed) -> list[tuple[dict[str, Any], str | None]]:
    """Every event, and the first threshold that it does not meet."""
    config = processed.exposure.settings.config
    gain = processed.exposure.gain
    events = _rays(_outside(processed.jumps, processed.showers), gain, config)
    for row in processed.telegraph.to_dict("records"):
        # A pixel that no two-state fit describes has only the fusion's confidence.
        confidence = min(max(float(row.get("confidence", row["r2"])), 0.0), 1.0)
        size = float(row["amplitude"]) / gain
        base = _event(TELEGRAPH_NOISE, row["integration"], row["first_frame"], size, size, 1, confidence)
        place = {"position": [int(row["x"]), int(row["y"])], "transitions": int(row["transitions"])}
        fit = {"fit_quality": float(row["r2"]) if np.isfinite(row["r2"]) else None}
        events.append((base | place | fit, None if confidence >= config.rtn_min_confidence else "rtn_min_confidence"))
    events += [(_ball(ball, processed), None) for ball in processed.snowballs]
    events += [(_shower(shower, processed), None) for shower in processed.showers]
    return sorted(events, key=lambda e: _order(e[0]))


def _order(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["integration"], event["first_frame"], event["type"], str(event.get("centroid"))


def _outside(jumps: pd.DataFrame, showers: Sequence[Shower]) -> pd.DataFrame:
    """Steps that are part of no shower: a shower is one event."""
    own = [
        pd.DataFrame({"integration": one.integration, "group": one.group, "y": one.pixels[:, 0], "x": one.pixels[:, 1]})
        for one in showers
    ]
    if not own:
        return jumps
    inside = pd.MultiIndex.from_frame(pd.concat(own).astype("int64"))
    return jumps[~pd.MultiIndex.from_frame(jumps[list(PLACE)].astype("int64")).isin(inside)]


def _shower(shower: Shower, processed: Processed) -> dict[str, Any]:
    """A shower as ``detections.json`` lists it; what its pixels rose by is known of those with a step alone."""
    base = _event("shower", shower.integration, shower.group, None, None, len(shower.pixels), 1.0)
    return base | {"centroid": [round(shower.x, 3), round(shower.y, 3)], "box_snr": round(shower.snr, 2)}


def _ball(ball: Snowball, processed: Processed) -> dict[str, Any]:
    gain, step, config = processed.exposure.gain, processed.exposure.step, processed.exposure.settings.config
    own = processed.jumps[(processed.jumps.type == SNOWBALL) & (processed.jumps.integration == ball.integration)]
    own = own[np.hypot(own.y - ball.y, own.x - ball.x) <= 2 * max(ball.core_radius, ball.radius) + 3]
    mean, largest = (float(v) / gain if np.isfinite(v) else None for v in (own.amplitude.mean(), own.amplitude.max()))
    base = _event(SNOWBALL, ball.integration, ball.group, mean, largest, len(ball.pixels), ball.confidence)
    return base | {
        "centroid": [round(ball.x, 3), round(ball.y, 3)],
        "radius": round(ball.radius, 3),
        "core_radius": round(ball.core_radius, 3),
        "circularity": round(min(ball.axis_ratio, 1.0), 4),
        "growth_frames": ball.growth,
        "mask_next_integration_frames": int(np.ceil(config.snowball_time_masked_next_int / step)),
    }


def _event(
    kind: int | str,
    integration: Any,
    group: Any,
    mean: float | None,
    largest: float | None,
    extent: int,
    confidence: float,
) -> dict[str, Any]:
    return {
        "type": kind if isinstance(kind, str) else CLASS_NAMES[kind],
        "integration": int(integration),
        "first_frame": int(group),
        "mean_intensity": mean,
        "max_intensity": largest,
        "spatial_extent": extent,
        "confidence": round(confidence, 4),
    }


def _rays(jumps: pd.DataFrame, gain: float, config: DetectorConfig) -> list[tuple[dict[str, Any], str | None]]:
    """Clusters of jumps in one group (8-connected), and the threshold that keeps one out of the list."""
    rays = jumps[jumps.type == COSMIC_RAY]
    out = []
    for (integration, group), table in rays.groupby(["integration", "group"]):
        y, x, weight = (table[name].to_numpy(float) for name in ("y", "x", "amplitude"))
        chance, snr = table.probability.to_numpy(float), table.snr.to_numpy(float)
        for members in _clusters(y, x):
            own, confidence = weight[members], float(chance[members].max())
            largest, total = float(own.max()) / gain, float(own.sum())
            centre = [round(float((v[members] * own).sum() / total), 3) for v in (x, y)]
            base = _event(COSMIC_RAY, integration, group, total / len(own) / gain, largest, len(members), confidence)
            event = base | {"centroid": centre, "step_snr": float(snr[members].max())}
            out.append((event, _missed(len(members), largest, confidence, config)))
    return out


def _missed(extent: int, largest: float, confidence: float, config: DetectorConfig) -> str | None:
    """The first threshold that a cosmic ray of so many pixels does not meet, or None."""
    if extent < config.min_anomaly_pixels:
        return "min_anomaly_pixels"
    most = config.cosmic_ray_max_spatial_extent
    if most is not None and extent > most:
        return "cosmic_ray_max_spatial_extent"
    if largest < config.cosmic_ray_min_intensity:
        return "cosmic_ray_min_intensity"
    return None if confidence >= config.min_confidence else "min_confidence"


def _clusters(y: Floats, x: Floats) -> list[Ints]:
    """Positions of the members of each 8-connected cluster of pixels."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(np.column_stack([y, x])).query_pairs(1.5, output_type="ndarray")
    links = csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(y), len(y)))
    number, labels = connected_components(links, directed=False)
    order = np.argsort(labels, kind="stable")
    return list(np.split(order, np.cumsum(np.bincount(labels, minlength=number))[:-1]))


def write_mask(folder: Path, mask: Bits) -> None:
    """``prediction_mask.npy`` and ``.fits``, each whole or not at all."""
    from astropy.io import fits

    write_array(folder / "prediction_mask.npy", mask)
    header = fits.Header([(f"CODE{code}", name) for code, name in enumerate(CLASS_NAMES)])
    with whole(folder / "prediction_mask.fits") as part:
        fits.writeto(part, mask, header)
