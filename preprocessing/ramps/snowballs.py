"""Snowballs: round clusters of pixels that saturate, or jump, in one group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from preprocessing.ramps.config import DetectorConfig

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Snowball:
    """One event.

    Args:
        integration: 0-based.
        group: first group after it.
        y: centroid row.
        x: centroid column.
        core_radius: equal-area radius of the saturated core in pixels; 0 without one.
        radius: equal-area radius of everything.
        axis_ratio: of the moments' ellipse.
        fill: area over the ellipse's area.
        pixels: (k, 2) rows and columns.
        core: (c, 2) rows and columns of the saturated core, with its growth.
        growth: groups in which the core grew.
    """

    integration: int
    group: int
    y: float
    x: float
    core_radius: float
    radius: float
    axis_ratio: float
    fill: float
    pixels: npt.NDArray[np.int64]
    core: npt.NDArray[np.int64]
    growth: int

    @property
    def confidence(self) -> float:
        """Roundness and filling, each at most 1, multiplied."""
        return float(min(self.axis_ratio, 1.0) * min(self.fill, 1.0))


def find_snowballs(
    first_saturated: npt.NDArray[np.int64],
    jumps: pd.DataFrame,
    gain: float,
    config: DetectorConfig,
    integration: int = 0,
) -> list[Snowball]:
    """Find the snowballs of one integration.

    Args:
        first_saturated: first saturated group of each pixel, (n_rows, n_cols); n_groups where it never saturates.
            Pixels that stood saturated at group 0 are never part of a core.
        jumps: ``group``, ``y``, ``x``, ``amplitude`` (e-) of found steps.
        gain: e-/DN.
        config: sizes and shapes.
        integration: for the record.
    """
    n_groups = int(first_saturated.max(initial=0))
    positive = jumps[jumps.amplitude >= config.snowball_min_intensity * gain]
    groups = np.unique(np.concatenate([first_saturated[first_saturated > 0], positive.group.to_numpy(np.int64)]))
    taken = np.zeros(first_saturated.shape, dtype=bool)
    found: list[Snowball] = []
    for group in groups[groups <= n_groups].tolist():
        table = positive[positive.group == group]
        now = (first_saturated == group) & ~taken & (group < n_groups)
        # A core that saturates one group after the halo's jump is the same event.
        core = now | ((first_saturated == group + 1) & ~taken & (group + 1 < n_groups))
        jumped = np.zeros_like(now)
        jumped[table.y.to_numpy(int), table.x.to_numpy(int)] = True
        for y, x in _components(core | jumped | now, config):
            # What only saturates in the next group is judged there.
            if (now | jumped)[y, x].mean() < 0.2:
                continue
            amplitude = table.set_index(["y", "x"]).amplitude.reindex(list(zip(y, x, strict=True))).to_numpy()
            ball = _judge(y, x, core[y, x], amplitude / gain, now.shape, config, integration, group)
            if ball is not None:
                ball = _grown(ball, first_saturated, config)
                taken[ball.core[:, 0], ball.core[:, 1]] = True
                found.append(ball)
    return found


def _components(mask: Mask, config: DetectorConfig) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pixels of each connected cluster that is large enough to be a snowball."""
    from scipy.ndimage import find_objects, label

    smallest = 0.8 * np.pi * config.snowball_min_radius**2
    if mask.sum() < smallest:
        return []
    labels, _ = label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    boxes = find_objects(labels)
    out = []
    for index in np.flatnonzero((sizes >= smallest) & (sizes <= config.snowball_max_area)):
        if index:
            box = boxes[index - 1]
            y, x = np.nonzero(labels[box] == index)
            out.append((y + box[0].start, x + box[1].start))
    return out


def _judge(
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    inside: Mask,
    step: npt.NDArray[np.float64],
    shape: tuple[int, ...],
    config: DetectorConfig,
    integration: int,
    group: int,
) -> Snowball | None:
    """A snowball, or None: too long, or without a core where one is needed."""
    core_radius = float(np.sqrt(inside.sum() / np.pi))
    has_core = core_radius >= 0.8 * config.snowball_min_radius
    # The shape is judged on the core: halos are ragged and may touch.
    ys, xs = (y[inside], x[inside]) if has_core else (y, x)
    ratio, fill = ellipse(ys, xs)
    if min(ratio, fill) < config.snowball_circularity_threshold:
        return None
    radius = float(np.sqrt(len(y) / np.pi))
    if not has_core:
        edge = min(ys.mean(), xs.mean(), shape[0] - 1 - ys.mean(), shape[1] - 1 - xs.mean())
        if edge >= config.snowball_edge_size or len(y) < config.snowball_min_area:
            return None
        if radius > config.snowball_max_radius or not np.nanmedian(step) <= config.snowball_max_intensity:
            return None
    pixels, cores = np.column_stack([y, x]), np.column_stack([y[inside], x[inside]])
    centre = (float(ys.mean()), float(xs.mean()))
    ball = Snowball(integration, group, *centre, core_radius, radius, ratio, fill, pixels, cores, 0)
    return ball if ball.confidence >= config.snowball_min_confidence else None


def ellipse(y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Ratio of axes, and area over the ellipse's area, from second moments (a uniform disc gives 1 and 1)."""
    if len(y) < 3:
        return 0.0, 0.0
    # 1/12 is the second moment of a pixel's own area.
    second = np.cov(np.stack([y, x]).astype(float), ddof=0) + np.eye(2) / 12
    small, large = np.linalg.eigvalsh(second)
    area = 4 * np.pi * np.sqrt(max(small * large, 1e-12))
    return float(np.sqrt(small / large)), float(len(y) / area)


def _grown(ball: Snowball, first_saturated: npt.NDArray[np.int64], config: DetectorConfig) -> Snowball:
    """Add pixels that saturate in the next groups at the core's rim."""
    if not len(ball.core):
        return ball
    h, w = first_saturated.shape
    reach = ball.core_radius + 2 + config.snowball_sat_expand
    rows = slice(max(0, int(ball.y - reach)), min(h, int(ball.y + reach) + 2))
    columns = slice(max(0, int(ball.x - reach)), min(w, int(ball.x + reach) + 2))
    y, x = np.mgrid[rows, columns]
    later = first_saturated[rows, columns] - ball.group
    r = np.hypot(y - ball.y, x - ball.x)
    limit = ball.core_radius + config.snowball_sat_expand + config.snowball_expansion_rate * later
    joined = (later > 0) & (later <= 10) & (r <= limit)
    # Around the core a rim is masked whether or not it was seen to saturate.
    rim = r <= ball.core_radius + config.snowball_sat_expand
    core = np.unique(np.concatenate([ball.core, np.column_stack([y[joined], x[joined]])]), axis=0)
    pixels = np.unique(np.concatenate([ball.pixels, core, np.column_stack([y[rim], x[rim]])]), axis=0)
    growth = len(np.unique(later[joined]))
    return Snowball(
        ball.integration,
        ball.group,
        ball.y,
        ball.x,
        ball.core_radius,
        float(np.sqrt(len(pixels) / np.pi)),
        ball.axis_ratio,
        ball.fill,
        pixels,
        core,
        growth,
    )
