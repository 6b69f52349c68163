"""Catalogues of the simulated sky: stars, galaxies, and everything that changed between two images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from astrid_ml.preprocessing.simulated_sky.config import SkyConfig

KINDS = ("isolated", "galaxy", "nucleus", "variable", "vanished", "moving")
_TRIES = 200


def draw_galaxies(config: SkyConfig, rng: np.random.Generator) -> pd.DataFrame:
    """Positions (px of the science image), fluxes (e-), half-light radii (px), Sersic indices, axes."""
    h, w = config.shape
    m = rng.poisson(config.galaxies * h * w / 1e6)
    low, high = np.log10(config.galaxy_flux)
    return pd.DataFrame(
        {
            "x": rng.uniform(0, w - 1, m),
            "y": rng.uniform(0, h - 1, m),
            "flux": 10 ** rng.uniform(low, high, m),
            "r_e": rng.uniform(*config.galaxy_radius, m),
            "n": rng.choice([1.0, 1.5, 2.5, 4.0], m),
            "q": rng.uniform(0.4, 1.0, m),
            "theta": rng.uniform(0, np.pi, m),
        }
    )


def draw_stars(config: SkyConfig, rng: np.random.Generator) -> pd.DataFrame:
    """Stars with dN/dF ~ F^-1.8, a Galactic field's counts: ``x``, ``y`` (px), ``flux`` (e-)."""
    h, w = config.shape
    m = rng.poisson(config.stars * h * w / 1e6)
    low, high = np.array(config.star_flux) ** -0.8
    flux = rng.uniform(float(high), float(low), m) ** (-1 / 0.8)
    return pd.DataFrame({"x": rng.uniform(-20, w + 20, m), "y": rng.uniform(-20, h + 20, m), "flux": flux})


class Places:
    """Positions that are taken: nothing that changes comes closer than ``separation`` px to another.

    Args:
        separation: px.
    """

    def __init__(self, separation: float) -> None:
        self.separation = separation
        self.taken: list[tuple[float, float]] = []

    def free(self, x: float, y: float) -> bool:
        """Whether a position is far enough from all taken ones."""
        near = self.separation**2
        return all((x - a) ** 2 + (y - b) ** 2 >= near for a, b in self.taken)

    def take(self, x: float, y: float) -> None:
        """Mark as taken."""
        self.taken.append((x, y))


def draw_changes(
    config: SkyConfig, galaxies: pd.DataFrame, stars: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Everything that changed.

    Returns:
        ``x, y`` (px of the science image), ``kind``, ``sign`` (+1 brighter in the science image), ``host_distance``
        (px; NaN without a host), ``object``, ``star`` (row of the variable star, -1 for others). A moving source has
        two rows of one object: where it is and where it was.
    """
    places, rows = Places(config.separation), list[dict[str, object]]()
    m, vanished, moving, variables = _numbers(config, rng)
    inside = galaxies[_well_inside(galaxies, config)]
    hosted = round(m * config.in_galaxies) if len(inside) else 0
    for i in range(m):
        row = _hosted(inside, places, config, rng) if i < hosted else _alone(places, config, rng, "isolated")
        _add(rows, [] if row is None else [row])
    for _ in range(vanished):
        row = _alone(places, config, rng, "vanished")
        _add(rows, [] if row is None else [{**row, "sign": -1}])
    for _ in range(moving):
        _add(rows, _mover(places, config, rng))
    _add_variables(rows, stars, places, config, variables, rng)
    columns = ["x", "y", "kind", "sign", "host_distance", "object", "star"]
    return pd.DataFrame(rows, columns=columns).astype(
        {"x": float, "y": float, "kind": object, "sign": int, "host_distance": float, "object": int, "star": int}
    )


def _numbers(config: SkyConfig, rng: np.random.Generator) -> list[int]:
    """How many transients, vanished and moving sources, and variables: of a part of one, that share of frames has it.

    The shares come from a stream of their own: whole numbers leave everything else as it was.
    """
    area, own = config.shape[0] * config.shape[1] / 1e6, rng.spawn(1)[0]
    expected = area * np.array([config.transients, config.vanished, config.moving, config.variables])
    return [int(number) for number in np.floor(expected + own.uniform(size=4))]


def _add(rows: list[dict[str, object]], new: list[dict[str, object]]) -> None:
    number = 1 + max((int(str(row["object"])) for row in rows), default=-1)
    rows.extend({"sign": 1, "host_distance": np.nan, "star": -1, **row, "object": number} for row in new)


def _well_inside(table: pd.DataFrame, config: SkyConfig) -> pd.Series:
    (h, w), margin = config.shape, config.margin
    return table["x"].between(margin, w - 1 - margin) & table["y"].between(margin, h - 1 - margin)


def _within(x: float, y: float, config: SkyConfig) -> bool:
    (h, w), margin = config.shape, config.margin
    return margin <= x <= w - 1 - margin and margin <= y <= h - 1 - margin


def _anywhere(config: SkyConfig, rng: np.random.Generator) -> tuple[float, float]:
    (h, w), margin = config.shape, config.margin
    return rng.uniform(margin, w - 1 - margin), rng.uniform(margin, h - 1 - margin)


def _alone(places: Places, config: SkyConfig, rng: np.random.Generator, kind: str) -> dict[str, object] | None:
    """A free position anywhere; None where the field is full."""
    for _ in range(_TRIES):
        x, y = _anywhere(config, rng)
        if places.free(x, y):
            places.take(x, y)
            return {"x": x, "y": y, "kind": kind}
    return None


def _hosted(
    hosts: pd.DataFrame, places: Places, config: SkyConfig, rng: np.random.Generator
) -> dict[str, object] | None:
    """A transient in a galaxy, one in five at its nucleus."""
    for _ in range(_TRIES):
        gx, gy, r_e = hosts.iloc[rng.integers(len(hosts))][["x", "y", "r_e"]].to_numpy(dtype=np.float64)
        nucleus = rng.uniform() < 0.2
        distance = 0.0 if nucleus else r_e * rng.uniform(0.3, 2.0)
        angle = rng.uniform(0, 2 * np.pi)
        x, y = gx + distance * np.cos(angle), gy + distance * np.sin(angle)
        if _within(x, y, config) and places.free(x, y):
            places.take(x, y)
            return {"x": x, "y": y, "kind": "nucleus" if nucleus else "galaxy", "host_distance": distance}
    return None


def _mover(places: Places, config: SkyConfig, rng: np.random.Generator) -> list[dict[str, object]]:
    """A source that moved by 15 to 60 px between the images."""
    for _ in range(_TRIES):
        x, y = _anywhere(config, rng)
        length, angle = rng.uniform(15, 60), rng.uniform(0, 2 * np.pi)
        ox, oy = x + length * np.cos(angle), y + length * np.sin(angle)
        if _within(ox, oy, config) and places.free(x, y) and places.free(ox, oy):
            places.take(x, y)
            places.take(ox, oy)
            return [{"x": x, "y": y, "kind": "moving"}, {"x": ox, "y": oy, "kind": "moving", "sign": -1}]
    return []


def _add_variables(
    rows: list[dict[str, object]],
    stars: pd.DataFrame,
    places: Places,
    config: SkyConfig,
    wanted: int,
    rng: np.random.Generator,
) -> None:
    """Stars that do not saturate and are bright enough to vary visibly."""
    usable = stars.index[_well_inside(stars, config) & (stars["flux"] > 4 * config.star_flux[0])].to_numpy(copy=True)
    for i in rng.permutation(usable) if wanted else ():
        x, y = float(stars["x"][i]), float(stars["y"][i])
        if places.free(x, y) and float(stars["flux"][i]) < config.saturation:
            places.take(x, y)
            _add(rows, [{"x": x, "y": y, "kind": "variable", "sign": int(rng.choice([-1, 1])), "star": int(i)}])
            wanted -= 1
        if wanted == 0:
            return
