"""Which axis of a cube is time."""

from __future__ import annotations

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Array

TIMES = 4  # as long as the time axis an axis of the detector is where the order looks wrong at once


def in_time_order(cube: Array, axes: str) -> Array:
    """Move the axes named by ``axes`` (a permutation of ``t``, ``y``, ``x``) to (t, y, x)."""
    if sorted(axes) != ["t", "x", "y"]:
        raise UserError("axes as a permutation of t, y, x", axes, "write for instance preprocessing.load.axes=tyx")
    return cube if axes == "tyx" else np.transpose(cube, [axes.index(name) for name in "tyx"])


def refuse_wrong_axes(shape: tuple[int, ...], what: str, n_groups: int | None = None) -> None:
    """Refuse a cube whose time axis is not the first, or may not be.

    Detectors are square, or at least larger than the number of groups: the first axis is time where it is the only one
    that differs, or not longer than the others. Longer than both, or in the middle, it may be an axis of the detector.

    Args:
        shape: (n_groups, n_rows, n_cols) as it should be.
        what: the file's name for the message.
        n_groups: where the header says it.

    Raises:
        UserError: with the guess which axis is time, where there is one.
    """
    a, b, c = shape
    if n_groups is not None and shape.count(n_groups) == 1:
        time = shape.index(n_groups)
    elif c < a and c < b and a >= TIMES * c and b >= TIMES * c:
        time = 2
    elif b < a and b < c and a >= TIMES * b and c >= TIMES * b:
        time = 1
    elif len(set(shape)) == 2:
        time = next(axis for axis in range(3) if shape.count(shape[axis]) == 1)
    elif len(set(shape)) == 3 and a == min(shape):
        time = 0
    else:
        raise UserError(
            "a cube (n_groups, n_rows, n_cols)",
            f"{what} of shape {shape}, whose axis of time the shape does not tell",
            "say the order: preprocessing.load.axes=tyx where time is the first axis, else yxt or ytx",
        )
    if time == 0:
        return
    order, axes = ("n_rows, n_cols, n_groups", "yxt") if time == 2 else ("n_rows, n_groups, n_cols", "ytx")
    raise UserError(
        "a cube (n_groups, n_rows, n_cols)",
        f"{what} of shape {shape}, which looks like ({order}) with {shape[time]} groups",
        f"give preprocessing.load.axes={axes} if that guess is right, or tyx to keep the order as it is",
    )
