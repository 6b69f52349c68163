"""Which axis of a cube is time."""

from __future__ import annotations

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Array

TIMES = 4  # as long as the time axis an axis of the detector is where the order looks wrong at once


def in_time_order(cube: Array, axes: str) -> Array:
    """Move the axes named by ``axes`` (a permutation of ``t``, ``y``, ``x``), the last three, to (t, y, x)."""
    if sorted(axes) != ["t", "x", "y"]:
        raise UserError("axes as a permutation of t, y, x", axes, "write for instance preprocessing.load.axes=tyx")
    first = cube.ndim - 3
    return cube if axes == "tyx" else np.transpose(cube, [*range(first), *(first + axes.index(name) for name in "tyx")])


def time_axis(shape: tuple[int, ...], n_groups: int | None = None) -> int | None:
    """The axis of three that is time; None where the shape does not tell.

    Detectors are square, or at least larger than the number of groups: time is the only axis that differs, or much the
    shortest one, or the first where it is the shortest. Otherwise it may be an axis of the detector.

    Args:
        shape: of the cube.
        n_groups: where the header says it.

    Example:
        >>> time_axis((12, 24, 24)), time_axis((64, 60, 6)), time_axis((450, 64, 32)), time_axis((450, 64, 32), 450)
        (0, 2, None, 0)
    """
    a, b, c = shape
    if n_groups is not None and shape.count(n_groups) == 1:
        return shape.index(n_groups)
    if c < a and c < b and a >= TIMES * c and b >= TIMES * c:
        return 2
    if b < a and b < c and a >= TIMES * b and c >= TIMES * b:
        return 1
    if len(set(shape)) == 2:
        return next(axis for axis in range(3) if shape.count(shape[axis]) == 1)
    return 0 if len(set(shape)) == 3 and a == min(shape) else None


def refuse_wrong_axes(shape: tuple[int, ...], what: str, n_groups: int | None = None) -> None:
    """Refuse a cube whose time axis is not the first of the last three, or may not be.

    Of four axes the order is (n_ints, n_groups, n_rows, n_cols), unless the shape tells otherwise.

    Args:
        shape: (n_groups, n_rows, n_cols) as it should be, perhaps with n_ints before.
        what: the file's name for the message.
        n_groups: where the header says it.

    Raises:
        UserError: with the guess which axis is time, where there is one.
    """
    time = time_axis(shape[-3:], n_groups)
    if time == 0 or (time is None and len(shape) > 3):
        return
    if time is None:
        raise UserError(
            "a cube (n_groups, n_rows, n_cols)",
            f"{what} of shape {shape}, whose axis of time the shape does not tell",
            "say the order: preprocessing.load.axes=tyx where time is the first axis, else yxt or ytx",
        )
    order, axes = ("n_rows, n_cols, n_groups", "yxt") if time == 2 else ("n_rows, n_groups, n_cols", "ytx")
    before = "n_ints, " if len(shape) > 3 else ""
    raise UserError(
        f"a cube ({before}n_groups, n_rows, n_cols)",
        f"{what} of shape {shape}, which looks like ({before}{order}) with {shape[-3:][time]} groups",
        f"give preprocessing.load.axes={axes} if that guess is right, or tyx to keep the order as it is",
    )
