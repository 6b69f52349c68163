"""Whether a pair can be trusted: its files, its coordinates, its noise, what is said of it; each fault a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.wcs import WCS

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame, LoadFits
from astrid_ml.reasons import shortened
from astrid_ml.types import Positive, Share

ENDS = ("first", "last")
SAME_TIME = 1.5  # days between a header's time and its archive's: days are rounded, and local ones
REQUIRED = ("mission", "filter", "mjd")


@dataclass(frozen=True)
class ControlPair:
    """The limits of quality.

    Args:
        smallest: px; least side of an image.
        no_data: largest share of an image's pixels without data.
        round_trip: px; largest error of pixel to sky and back.
        residual: px; largest registration error at stars.
        noise: largest deviation of the significance's scatter in blank sky from 1, after the noise of the pair was
            measured: drizzled and resampled frames have correlated noise, of which its own model knows, and pass.
        overlap: least share of the science image that the reference covers.
        allow_mixed: pairs of two filters pass too.

    Example:
        >>> ControlPair().verdict({"sig_std": 1.4, "overlap": 0.9, "astrometric_sigma": 0.1})
        ['noise: significance scatters by 1.40 in blank sky']
    """

    smallest: Positive = 64
    no_data: Share = 0.6
    round_trip: Positive = 0.01
    residual: Positive = 1.0
    noise: Positive = 0.25
    overlap: Share = 0.1
    allow_mixed: bool = False

    def verdict(self, quality: Mapping[str, Any]) -> list[str]:
        """What is wrong with a subtraction.

        Args:
            quality: what ``quality.json`` holds.
        """
        wrong = []
        scatter, shared, residual = (quality.get(name) for name in ("sig_std", "overlap", "astrometric_sigma"))
        if scatter is None or not np.isfinite(scatter):
            wrong.append("noise: no blank sky to measure it on")
        elif abs(scatter - 1) > self.noise:
            wrong.append(f"noise: significance scatters by {scatter:.2f} in blank sky")
        if shared is None or shared < self.overlap:
            wrong.append(f"coverage: the reference holds {shared or 0:.0%} of the science image")
        if residual is None or residual > self.residual:
            wrong.append("alignment: residual at stars " + ("unknown" if residual is None else f"{residual:.2f} px"))
        return wrong

    def frame(self, side: str, path: Path, row: Mapping[str, Any], load: LoadFits) -> tuple[dict[str, Any], list[str]]:
        """What one file holds, and what is wrong with it.

        Args:
            side: science or reference.
            path: of the file.
            row: of the manifest.
            load: reads it as the subtraction does.
        """
        try:
            image = load(Frame(path=str(path)))
        except UserError as error:
            said_of_it = f"expected {error.expected}; got {error.got}".replace(f"{path.parent}/", "")
            return {"readable": False}, [shortened(f"{side} integrity: {said_of_it}", 200)]
        told = _told(side, row)
        said = {
            "readable": True,
            "shape": list(image.shape),
            "dtype": str(image.data.numpy().dtype),
            "no_data": round(float(image.mask.double().mean()), 6),
            "round_trip": _round_trip(image),
            "mission": image.mission or told["mission"],
            "filter": image.filter or told["filter"],
            "mjd": told["mjd"] if image.mjd is None else image.mjd,
        }
        wrong = [
            *self._of_frame(said, told["mission"]),
            *_of_time(image.mjd, *(row.get(f"{side}_{end}_mjd") for end in ENDS)),
        ]
        return said, [f"{side} {reason}" for reason in wrong]

    def _of_frame(self, said: Mapping[str, Any], mission: str | None) -> list[str]:
        wrong = []
        if min(said["shape"]) < self.smallest:
            wrong.append(f"dimensions: {said['shape']}")
        if said["no_data"] > self.no_data:
            wrong.append(f"no data: {said['no_data']:.0%} of its pixels")
        if said["round_trip"] is None or not said["round_trip"] <= self.round_trip:
            wrong.append(f"WCS: round trip of {said['round_trip']} px")
        absent = [name for name in REQUIRED if said[name] is None]
        if absent:
            wrong.append(f"metadata: no {', '.join(absent)}")
        if said["mission"] != mission and mission is not None:
            wrong.append(f"cross-reference: of {said['mission']}, and its archive says {mission}")
        return wrong


def _of_time(mjd: float | None, first: float | None, last: float | None) -> list[str]:
    """Whether a file was taken when its archive says: on that the windows of light rest by which it was chosen."""
    if mjd is None or first is None or last is None or first - SAME_TIME <= mjd <= last + SAME_TIME:
        return []
    return [f"cross-reference: taken at MJD {mjd:.1f}, and its archive says {first:.1f} to {last:.1f}"]


def _told(side: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the archive said of one side; of both where the line makes no difference between them.

    Images that are cut out of a survey on request (SkyView's) say neither mission nor date themselves.
    """
    return {name: row.get(f"{side}_{name}", row.get(name)) for name in REQUIRED}


def control_pair(
    row: Mapping[str, Any], folder: Path, quality: Mapping[str, Any] | None, rules: ControlPair, load: LoadFits
) -> dict[str, Any]:
    """The record of a pair.

    Args:
        row: of the manifest.
        folder: below which its files are.
        quality: of the subtraction; None where it failed.
        rules: the limits.
        load: reads a file.

    Returns:
        name, target, verdict (pass or fail), reasons, and what was measured.
    """
    record: dict[str, Any] = {"pair": row["name"], "target": row["object"], "mission": row["mission"]}
    reasons: list[str] = []
    for side in ("science", "reference"):
        said, wrong = rules.frame(side, folder / str(row[side]), row, load)
        record |= {f"{side}_{name}": value for name, value in said.items()}
        reasons += wrong
    filters = [record.get(f"{side}_filter") for side in ("science", "reference")]
    if None not in filters and filters[0] != filters[1] and not rules.allow_mixed:
        reasons.append(f"cross-reference: filters {filters[0]} and {filters[1]}")
    if quality is None:
        reasons.append("difference: it could not be subtracted")
    else:
        reasons += rules.verdict(quality)
        names = ("sig_std_raw", "sig_std", "neighbour_corr", "overlap", "astrometric_sigma", "registration_left")
        record |= {name: quality.get(name) for name in names}
    return record | {"verdict": "fail" if reasons else "pass", "reasons": reasons}


def _round_trip(image: Image) -> float | None:
    """px; the largest error of corners and centre, to the sky and back."""
    wcs: WCS | None = image.wcs
    if wcs is None:
        return None
    h, w = image.shape
    x, y = np.array([0, w - 1, 0, w - 1, (w - 1) / 2]), np.array([0, 0, h - 1, h - 1, (h - 1) / 2])
    try:
        back = wcs.all_world2pix(*wcs.all_pix2world(x, y, 0), 0)
    except Exception:  # astropy raises a dozen kinds, of which each says that there is no way back
        return None
    error = float(np.max(np.hypot(back[0] - x, back[1] - y)))
    return round(error, 6) if np.isfinite(error) else None
