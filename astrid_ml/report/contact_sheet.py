"""Stamps drawn for people: each channel in its own stretch, missing pixels marked."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.files import whole
from astrid_ml.printable import printable
from astrid_ml.readable import quiet
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Array, Floats

MISSING = (0.35, 0.15, 0.2)
LINES, LETTERS = 3, 62  # of a caption; more would reach into the next sample
_SAID = ("id", "mission", "filter", "label", "threshold", "threshold_on", "snr", "magpsf", "mag")


def stretched(channel: Array) -> Floats:
    """(h, w) -> (h, w, 3) in [0, 1]: an asinh stretch about the median in units of the robust noise.

    Faint residuals, their negative lobes and bright neighbours show at once; pixels that are NaN, infinite or a
    fill value get a colour of their own.
    """
    with np.errstate(invalid="ignore"):
        known = np.abs(channel) < 1e37
    out = np.empty((*channel.shape, 3))
    out[:] = MISSING
    values = channel[known].astype(np.float64)
    if values.size:
        out[known] = _scaled(values)[:, None]
    return out


def _scaled(values: Floats) -> Floats:
    """(n,) -> (n,) in [0, 1]; mid-grey where all are equal."""
    centred = values - np.median(values)
    # Where more than half of the pixels are equal (saturated, padded) the spread of all must do.
    sigma = float(robust_sigma(centred, centre=0.0) or np.std(centred))
    if sigma == 0:
        return np.full(values.shape, 0.5)
    z = centred / sigma
    low = np.clip(np.percentile(z, 0.3), -30, -3)
    high = max(float(np.percentile(z, 99.7)), 5.0)
    first, last = np.arcsinh(low / 3), np.arcsinh(high / 3)
    out: Floats = np.clip((np.arcsinh(z / 3) - first) / (last - first), 0, 1)
    return out


def stamp_png(stamp: Array, scale: int = 3) -> bytes:
    """All channels side by side, with a white rule between them, as PNG."""
    from matplotlib.image import imsave

    rule = np.ones((stamp.shape[1], 1, 3))
    parts: list[Floats] = []
    for channel in stamp:
        parts += [stretched(np.asarray(channel)), rule]
    picture = np.concatenate(parts[:-1], axis=1)[::-1].repeat(scale, axis=0).repeat(scale, axis=1)
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(picture), format="png")
    return buffer.getvalue()


def stamp_caption(row: Mapping[Any, Any], on: str) -> str:
    """What stands above a stamp: its name and origin; label, number and threshold; S/N and magnitude, where known.

    Args:
        row: of a table of predictions.
        on: the column that is shown, ``score`` or ``probability``; a threshold of the other one says nothing here.

    Example:
        >>> row = {"id": "s7", "filter": "g", "label": 1, "score": 0.25, "threshold": 0.5, "threshold_on": "score"}
        >>> stamp_caption(row | {"snr": -6.25, "mag": 19.5}, "score").splitlines()
        ['s7, g', 'truly real, score 0.2500 (threshold 0.5)', 'S/N -6.2, magnitude 19.50']
    """
    known = {name: row[name] for name in _SAID if name in row and not pd.isna(row[name]) and row[name] != ""}
    origin = [str(known[name]) for name in ("id", "mission", "filter") if name in known]
    number = f"{on} {float(row[on]):.4f}"
    if "threshold" in known and known.get("threshold_on") == on:
        number += f" (threshold {float(known['threshold']):.3g})"
    truth = [f"truly {'real' if int(known['label']) == 1 else 'bogus'}"] if "label" in known else []
    light = [f"S/N {float(known['snr']):.1f}"] if "snr" in known else []
    light += [f"magnitude {float(known[name]):.2f}" for name in ("magpsf", "mag") if name in known][:1]
    return "\n".join(", ".join(parts) for parts in (origin, [*truth, number], light) if parts)


def write_contact_sheet(path: Path, rows: Mapping[str, Sequence[tuple[str, bytes]]], channels: Sequence[str]) -> None:
    """A picture with one block of samples for each kind.

    Args:
        path: PNG, written whole.
        rows: kind -> [(caption, PNG of a sample), ...].
        channels: what each picture shows from left to right, for the title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    across, width = 4, 3.05
    blocks = [
        (kind, [(caption, imread(io.BytesIO(png), format="png")) for caption, png in items], -(-len(items) // across))
        for kind, items in rows.items()
        if items
    ]
    shapes = [picture.shape for _, items, _ in blocks for _, picture in items]
    # As high as the pictures are at this width, so that no row has room to spare; one channel alone would be too high.
    tall = min(max((width * shape[0] / shape[1] for shape in shapes), default=0.0), 1.1)
    captions = [caption for _, items, _ in blocks for caption, _ in items]
    above = 0.16 + 0.14 * max((min(caption.count("\n") + 1, LINES) for caption in captions), default=1)
    pitch = tall + above
    lines = sum(count for *_, count in blocks)
    figure = Figure(figsize=(13, pitch * lines + 0.4 * len(blocks) + 0.55))
    FigureCanvasAgg(figure)
    height = figure.get_figheight()
    top = 1 - 0.35 / height
    if channels:
        figure.text(
            0.015, top, f"each sample: {', '.join(channels)}", fontsize=10, va="center", color="0.35", parse_math=False
        )
    for kind, items, count in blocks:
        top -= 0.4 / height
        figure.text(0.015, top, kind, fontsize=13, weight="bold", va="center")
        for place, (caption, picture) in enumerate(items):
            row, column = divmod(place, across)
            bottom = top - ((row + 1) * pitch + 0.08) / height
            axes = figure.add_axes((0.015 + column * 0.247, bottom, width / 13, tall / height))
            axes.imshow(picture, interpolation="nearest")
            axes.set_axis_off()
            lines_of = [printable(line)[:LETTERS] for line in caption.split("\n")[:LINES]]
            axes.set_title("\n".join(lines_of), fontsize=7.5, pad=3, parse_math=False, linespacing=1.15)
        top -= count * pitch / height
    with whole(path) as part, quiet():  # a letter that the font lacks is drawn as a box
        figure.savefig(part, dpi=110, facecolor="white")
