"""Snowballs: round clusters of pixels that saturate, or jump, in one group."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.ramps.exposure.cores import discs
from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.ramp.codes import SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.types import Floats32, Ints, Mask

ROUND = 0.7  # axis ratio of what has no saturated core


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
    pixels: Ints
    core: Ints
    growth: int

    @property
    def confidence(self) -> float:
        """Roundness and filling, each at most 1, multiplied."""
        return float(min(self.axis_ratio, 1.0) * min(self.fill, 1.0))


def find_snowballs(
    first_saturated: Ints,
    jumps: pd.DataFrame,
    gain: float,
    config: DetectorConfig,
    integration: int = 0,
) -> list[Snowball]:
    """Find the snowballs of one integration.

    A core is what saturates in one group or the next; pixels that were lost before, and the reference border, may hide
    part of it. Around it most pixels must jump (the ring): where they do not, it is a star that saturates.

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
    tables = dict(list(positive.groupby("group")))
    empty = positive.iloc[:0]
    groups = np.unique(np.concatenate([first_saturated[first_saturated > 0], positive.group.to_numpy(np.int64)]))
    taken = np.zeros(first_saturated.shape, dtype=bool)
    found: list[Snowball] = []
    for group in groups[groups <= n_groups].tolist():
        now = (first_saturated == group) & ~taken & (group < n_groups)
        # A core that saturates one group after the halo's jump is the same event.
        core = now | ((first_saturated == group + 1) & ~taken & (group + 1 < n_groups))
        size, later = np.zeros((2, *now.shape), np.float32)  # of the jumps of this group and the next, DN
        for target, table in ((size, tables.get(group, empty)), (later, tables.get(group + 1, empty))):
            target[table.y.to_numpy(int), table.x.to_numpy(int)] = table.amplitude.to_numpy() / gain
        frame = _Frame(core, now, size, later, (first_saturated < group) | taken, integration, group)
        for y, x in _components(core | (size > 0), config):
            # What only saturates in the next group is judged there.
            if (now | (size > 0))[y, x].mean() < 0.2:
                continue
            for members, inside in pieces(y, x, core[y, x], frame.blocked, config):
                ball = _judge(y[members], x[members], inside, frame, config)
                if ball is not None:
                    ball = grown(ball, first_saturated, config)
                    taken[ball.core[:, 0], ball.core[:, 1]] = True
                    found.append(ball)
    return found


@dataclass(frozen=True)
class _Frame:
    """One group: what saturates in it or the next, and in it; its jumps and the next's, DN; what was lost before."""

    core: Mask
    now: Mask
    size: Floats32
    later: Floats32
    blocked: Mask
    integration: int
    group: int


def _components(mask: Mask, config: DetectorConfig) -> list[tuple[Ints, Ints]]:
    """Pixels of each connected cluster that is large enough to be a snowball."""
    from scipy.ndimage import find_objects, label

    smallest = 0.8 * np.pi * config.snowball_min_radius**2
    if mask.sum() < smallest:
        return []
    labels, _ = label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    boxes = find_objects(labels)
    out = []
    for index in np.flatnonzero(sizes >= smallest):
        if index:
            box = boxes[index - 1]
            y, x = np.nonzero(labels[box] == index)
            out.append((y + box[0].start, x + box[1].start))
    return out


def pieces(y: Ints, x: Ints, core: Mask, blocked: Mask, config: DetectorConfig) -> list[tuple[Ints, Mask]]:
    """A cluster with several cores, joined by their halos or touching, as one piece a core: (members, which are core).

    Trails of cores are members, but no core.
    """
    from scipy.spatial import cKDTree

    if not core.any():
        return [(np.arange(len(y)), core)]
    margin = 2 + int(np.sqrt(core.sum() / np.pi))
    low_y, low_x = int(y[core].min()) - margin, int(x[core].min()) - margin
    box = np.zeros((int(np.ptp(y[core])) + 1 + 2 * margin, int(np.ptp(x[core])) + 1 + 2 * margin), dtype=bool)
    box[y[core] - low_y, x[core] - low_x] = True
    labels = discs(box, window(blocked, (low_y, low_x), box.shape), 0.8 * config.snowball_min_radius)
    large = np.flatnonzero(np.bincount(labels.ravel())[1:] >= 0.5 * np.pi * config.snowball_min_radius**2) + 1
    mine = np.zeros(len(y), np.int64)
    mine[core] = labels[y[core] - low_y, x[core] - low_x]
    if len(large) == 0:
        return [(np.arange(len(y)), core)]
    if len(large) == 1:
        return [(np.arange(len(y)), mine == large[0])]
    seeds = np.flatnonzero(np.isin(mine, large))
    _, nearest = cKDTree(np.column_stack([y[seeds], x[seeds]])).query(np.column_stack([y, x]))
    owner = mine[seeds][nearest]
    parts = [np.flatnonzero(owner == piece) for piece in large]
    return [(part, mine[part] == piece) for part, piece in zip(parts, large, strict=True)]


def _judge(y: Ints, x: Ints, inside: Mask, frame: _Frame, config: DetectorConfig) -> Snowball | None:
    """A snowball, or None: too long, without a ring of jumps, or without a core where one is needed."""
    shape = frame.core.shape
    has_core = bool(np.sqrt(inside.sum() / np.pi) >= 0.8 * config.snowball_min_radius)
    # The shape is judged on the core: halos are ragged and may touch.
    ys, xs = (y[inside], x[inside]) if has_core else (y, x)
    ball = shaped(ys, xs, frame.blocked, (frame.integration, frame.group))
    least = config.snowball_circularity_threshold
    if min(ball.axis_ratio, ball.fill) < (least if has_core else max(least, ROUND)):
        return None
    radius = float(np.sqrt(len(y) / np.pi))
    if has_core:
        share, growing = ring_of(frame, (ball.y, ball.x), ball.core_radius)
        # A core that fills in the next group is judged there, if its halo too comes then.
        if share < config.snowball_min_ring or (growing and frame.now[ys, xs].mean() < 0.2):
            return None
    else:
        edge = min(ys.mean(), xs.mean(), shape[0] - 1 - ys.mean(), shape[1] - 1 - xs.mean())
        if edge >= config.snowball_edge_size or not config.snowball_min_area <= len(y) <= config.snowball_max_area:
            return None
        if radius > config.snowball_max_radius or np.median(frame.size[y, x]) > config.snowball_max_intensity:
            return None
        ball = replace(ball, core_radius=float(np.sqrt(inside.sum() / np.pi)))
    pixels, full = np.column_stack([y, x]), frame.core[y, x]  # trails are full too
    ball = replace(ball, radius=radius, pixels=pixels, core=pixels[full])
    return ball if ball.confidence >= config.snowball_min_confidence else None


def shaped(y: Ints, x: Ints, blocked: Mask, when: tuple[int, int]) -> Snowball:
    """A cluster as a snowball of its own: centre, radius and roundness, by a disc where lost pixels cut it.

    Args:
        y: rows of its pixels.
        x: columns.
        blocked: pixels that were lost before, of the frame.
        when: integration and group.
    """
    ratio, fill = ellipse(y, x)
    centre, radius = (float(y.mean()), float(x.mean())), float(np.sqrt(len(y) / np.pi))
    disc = fit_disc(y, x, blocked)
    if disc is not None and disc.overlap > min(ratio, fill):
        ratio = fill = disc.overlap
        centre, radius = (disc.y, disc.x), disc.radius
    pixels = np.column_stack([y, x])
    return Snowball(*when, *centre, radius, radius, ratio, fill, pixels, pixels, 0)


def ring_of(frame: _Frame, centre: tuple[float, float], core_radius: float, width: float = 3.0) -> tuple[float, bool]:
    """Share of the usable pixels around a core that jump in its group (1 where there are none), and whether they jump
    more in the next."""
    reach = int(core_radius + width) + 2
    rows = slice(max(0, int(centre[0]) - reach), int(centre[0]) + reach + 2)
    columns = slice(max(0, int(centre[1]) - reach), int(centre[1]) + reach + 2)
    core, size, blocked = frame.core[rows, columns], frame.size[rows, columns], frame.blocked[rows, columns]
    y, x = np.mgrid[rows.start : rows.start + core.shape[0], columns.start : columns.start + core.shape[1]]
    r = np.hypot(y - centre[0], x - centre[1])
    ring = (r > core_radius + 0.5) & (r <= core_radius + 0.5 + width) & ~blocked & ~core
    if not ring.any():
        return 1.0, False
    return float((size[ring] > 0).mean()), bool(frame.later[rows, columns][ring].sum() > size[ring].sum())


@dataclass(frozen=True)
class Disc:
    """A circle through the free edge of a cluster.

    Args:
        y: centre row; it may lie on lost pixels or outside the frame.
        x: centre column.
        radius: pixels.
        overlap: intersection over union of the cluster and the part of the disc that can be seen.
    """

    y: float
    x: float
    radius: float
    overlap: float


def fit_disc(y: Ints, x: Ints, blocked: Mask) -> Disc | None:
    """Fit a circle to a cluster that lost pixels or the frame's edge cut; None where nothing cuts it.

    Algebraic least squares (Kasa 1976) on the pixels of the edge that no lost pixel touches.
    """
    low, high = (int(y.min()), int(x.min())), (int(y.max()), int(x.max()))
    box = np.zeros((high[0] - low[0] + 3, high[1] - low[1] + 3), dtype=bool)
    box[y - low[0] + 1, x - low[1] + 1] = True
    lost = window(blocked, (low[0] - 1, low[1] - 1), box.shape)
    beside_free, beside_lost = np.zeros_like(box), np.zeros_like(box)
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside_free |= np.roll(~box & ~lost, step, axis)
        beside_lost |= np.roll(lost, step, axis)
    edge = np.argwhere(box & beside_free & ~beside_lost)
    if not (box & beside_lost).any() or len(edge) < 6:
        return None
    design = np.column_stack([edge, np.ones(len(edge))]).astype(float)
    (a, b, c), *_ = np.linalg.lstsq(design, (edge.astype(float) ** 2).sum(1), rcond=None)
    radius = float(np.sqrt(max(c + (a**2 + b**2) / 4, 0.0))) + 0.5  # the edge's pixels lie half a pixel inside
    centre = (a / 2 + low[0] - 1, b / 2 + low[1] - 1)
    if not 1.0 <= radius <= 2.0 * max(box.shape):
        return None
    start = (int(centre[0] - radius) - 1, int(centre[1] - radius) - 1)
    n = int(2 * radius) + 4
    gy, gx = np.mgrid[start[0] : start[0] + n, start[1] : start[1] + n]
    seen = (np.hypot(gy - centre[0], gx - centre[1]) <= radius) & ~window(blocked, start, (n, n))
    covered = (np.hypot(y - centre[0], x - centre[1]) <= radius).sum()
    overlap = float(covered) / max(len(y) + float(seen.sum()) - float(covered), 1.0)
    return Disc(float(centre[0]), float(centre[1]), radius, overlap)


def window(mask: Mask, start: tuple[int, int], shape: tuple[int, ...]) -> Mask:
    """Part of a mask; what lies outside the frame counts as True."""
    out = np.ones(shape, dtype=bool)
    h, w = mask.shape
    top, left = max(0, -start[0]), max(0, -start[1])
    bottom, right = min(shape[0], h - start[0]), min(shape[1], w - start[1])
    if top < bottom and left < right:
        out[top:bottom, left:right] = mask[start[0] + top : start[0] + bottom, start[1] + left : start[1] + right]
    return out


def ellipse(y: Ints, x: Ints) -> tuple[float, float]:
    """Ratio of axes, and area over the ellipse's area, from second moments (a uniform disc gives 1 and 1)."""
    if len(y) < 3:
        return 0.0, 0.0
    # 1/12 is the second moment of a pixel's own area.
    second = np.cov(np.stack([y, x]).astype(float), ddof=0) + np.eye(2) / 12
    small, large = np.linalg.eigvalsh(second)
    area = 4 * np.pi * np.sqrt(max(small * large, 1e-12))
    return float(np.sqrt(small / large)), float(len(y) / area)


def grown(ball: Snowball, first_saturated: Ints, config: DetectorConfig) -> Snowball:
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
    return replace(ball, radius=float(np.sqrt(len(pixels) / np.pi)), pixels=pixels, core=core, growth=growth)


def claimed(jumps: pd.DataFrame, balls: list[Snowball], shape: tuple[int, int]) -> pd.DataFrame:
    """Jumps of a snowball's core, rim and halo, from its group to the end of its growth, are the snowball's."""
    table = jumps.copy()
    for ball in balls:
        # The group of a faint step is known to within two or so.
        near = table[table.group.between(ball.group - 2, ball.group + 2 + ball.growth)]
        r = np.hypot(near.y.to_numpy() - ball.y, near.x.to_numpy() - ball.x)
        own = np.ravel_multi_index((ball.pixels[:, 0], ball.pixels[:, 1]), shape)
        member = np.isin(np.ravel_multi_index((near.y.to_numpy(int), near.x.to_numpy(int)), shape), own)
        halo = (r <= halo_radius(ball, near, shape)) & (near.type.to_numpy() != TELEGRAPH_NOISE)
        rim = r <= 2.0 * ball.core_radius + 3.0 if ball.core_radius else r <= ball.radius + 1.0
        chosen = near.index[member | halo | rim]
        table.loc[chosen, "type"] = SNOWBALL
        table.loc[chosen, "found_by"] = "rules"
    return table


def halo_radius(ball: Snowball, jumps: pd.DataFrame, shape: tuple[int, int], share: float = 0.02) -> float:
    """Radius in pixels out to which at least ``share`` of the pixels jump in the snowball's group.

    The faint halo breaks up into single pixels, which alone would look like cosmic rays.

    Args:
        ball: the event.
        jumps: jumps of its group and those around it.
        shape: rows and columns of the frame.
        share: smallest share of a ring five pixels wide; unrelated jumps of one group are ten times rarer.
    """
    y, x = np.ogrid[: shape[0], : shape[1]]
    rings = np.hypot(y - ball.y, x - ball.x).astype(np.int64)
    pixels = np.bincount(rings.ravel())
    found = np.bincount(rings[jumps.y.to_numpy(int), jumps.x.to_numpy(int)], minlength=len(pixels))
    few = np.convolve(found, np.ones(5), "same") < share * np.convolve(pixels, np.ones(5), "same")
    start = int(ball.core_radius) + 2
    beyond = np.flatnonzero(few[start:])  # of a centre beyond the edge the first rings have no pixels
    return float(start + beyond[0]) if len(beyond) else float(len(pixels))
