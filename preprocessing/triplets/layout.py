"""How somebody's stamps lie in their arrays: which axis is which, in which order the channels stand.

What is not said is guessed, and kept only where the shapes leave one answer.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.stamps import CHANNELS
from astrid_ml.preprocessing.triplets.containers.stack import Stack
from astrid_ml.reasons import shortened
from astrid_ml.types import Array, Floats32

ALIASES = {
    "science": ("science", "sci", "new", "cutoutscience", "target", "search"),
    "reference": ("reference", "ref", "template", "templ", "tmpl", "cutouttemplate", "cutoutreference"),
    "difference": ("difference", "diff", "sub", "cutoutdifference"),
}
ARRAYS = ("triplets", "stamps", "images", "cutouts", "x", "data", "image", "features")  # usual names, best first
LETTERS = "ncyx"
_AXES = "preprocessing.axes of the letters n, c, y, x, each once (without c where each channel is an array)"
ENOUGH, MOST = 8, 0.7  # stamps that tell the order of channels, and the share of them that must agree
CHANCE = 0.1  # of a correlation of two images of noise
_FLAT = 2  # axes of an array that holds each triplet as one row; with 3 each channel is one


@dataclass(frozen=True)
class Layout:
    """How arrays become stamps.

    Args:
        stacks: names of the arrays: one, or one for each channel.
        samples: how many.
        axes: of the array, a letter each: n (sample), c (channel), y, x; of arrays for each channel without c.
        order: places of science, reference and difference among the channels of the array.
        shape: of the array; of a flat one as if it had four axes.
        guessed: whether nobody said the order of the channels.
    """

    stacks: tuple[str, ...]
    samples: int
    axes: str
    order: tuple[int, ...]
    shape: tuple[int, ...]
    guessed: bool = False

    @property
    def words(self) -> str:
        """For the user to confirm."""
        names = ", ".join(filter(None, self.stacks)) or "the array"
        size = "x".join(str(length) for length in self.shape)
        return f"{names} of {size}: axes {self.axes}, channels {', '.join(self.named)}"

    @property
    def named(self) -> tuple[str, ...]:
        """The channels in the order of the array."""
        places = {place: name for name, place in zip(CHANNELS, self.order, strict=True)}
        return tuple(places.get(place, "unused") for place in range(max(places) + 1))

    def stamps(self, arrays: Sequence[Array]) -> Floats32:
        """(n, 3, y, x) float32: science, reference, difference.

        Args:
            arrays: some samples of each of ``stacks``.
        """
        if len(arrays) > 1:
            within = [np.transpose(part, [self.axes.index(letter) for letter in "nyx"]) for part in arrays]
            return np.stack(within, axis=1).astype(np.float32)
        whole = arrays[0]
        if whole.ndim < len(LETTERS):
            whole = whole.reshape(len(whole), *self.shape[1:])
        whole = np.transpose(whole, [self.axes.index(letter) for letter in LETTERS])
        return np.ascontiguousarray(whole[:, list(self.order)], dtype=np.float32)


def canonical_channel(name: str) -> str | None:
    """The channel that a name means; None for none of them."""
    plain = name.rpartition("/")[2].lower().replace("_stamp", "").replace("_image", "").replace("stampdata", "")
    return next((channel for channel, names in ALIASES.items() if plain.strip("._") in names), None)


def layout_of(
    stacks: Sequence[Stack], axes: str | None, channels: Sequence[str] | None, named: Sequence[str], file: str
) -> Layout:
    """The layout of a container's arrays.

    Args:
        stacks: those that are in it.
        axes: letters, if they were said.
        channels: their order in the array; None where nobody said it.
        named: arrays, if they were said.
        file: for the messages.

    Raises:
        UserError: none or several of them could be the stamps; axes that do not fit; more than one answer; channels
            that the container names in another order than was said.
    """
    _order(channels or CHANNELS)
    usable = [stack for stack in stacks if stack.numbers and len(stack.shape) >= (2 if axes else 3)]
    if named:
        absent = sorted(set(named) - {stack.name for stack in stacks})
        if absent and not any(stack.name for stack in stacks):
            got = f"{', '.join(absent)}; its array has no name"
            raise UserError(f"no name for the array of {file}", got, "leave out preprocessing.stack")
        if absent:
            have = ", ".join(map(str, stacks)) or "none"
            raise UserError(f"arrays of {file} among {have}", ", ".join(absent), "choose among them by name")
        usable = [next(stack for stack in stacks if stack.name == name) for name in named]
    else:
        usable = _likely(usable)
    if len(usable) == len(CHANNELS) and len({stack.shape for stack in usable}) == 1:
        return _apart(usable, axes, bool(named), file)
    if not usable and len(flat := [stack for stack in stacks if stack.numbers and len(stack.shape) == _FLAT]) == 1:
        raise _without_axes(flat[0], len(channels or CHANNELS), file)
    if len(usable) != 1:
        have = ", ".join(map(str, stacks)) or "no array"
        raise UserError(
            f"one array of stamps in {file}, or one for each channel", have, "name it: preprocessing.stack="
        )
    found = _named_channels(usable[0], channels, file)
    layout = _together(usable[0], axes, _order(found), len(found), file)
    return replace(layout, guessed=channels is None and not usable[0].channels)


def _named_channels(stack: Stack, channels: Sequence[str] | None, file: str) -> Sequence[str]:
    """The channels in the order that was said, else that the container names, else the usual one.

    Raises:
        UserError: it names others than these three, and nobody said the order; or another order than was said.
    """
    if not stack.channels:
        return channels or CHANNELS
    meant = [canonical_channel(name) for name in stack.channels]
    if all(meant.count(name) == 1 for name in CHANNELS):
        if channels is not None and [canonical_channel(name) for name in channels] != meant:
            got = f"preprocessing.channels=[{','.join(channels)}], and {file} names {', '.join(stack.channels)}"
            raise UserError(
                "channels in the order that the file names", shortened(got, 200), "set preprocessing.channels=null"
            )
        return stack.channels
    if channels is not None:
        return channels
    got = f"{stack.name or file} with the channels {', '.join(stack.channels)}"
    fix = "say their order, such as preprocessing.channels=[sci,ref,diff]"
    raise UserError("channels named science, reference and difference", shortened(got, 200), fix)


def _without_axes(stack: Stack, count: int, file: str) -> UserError:
    """What to say of an array of fewer than four axes: how its rows are laid out."""
    side = f"{count} x rows x columns"
    got = f"{stack.name or 'one array'} of shape {stack.shape}"
    fix = f"say how they are laid out: preprocessing.axes=nyxc, or ncyx where each channel is whole ({side})"
    return UserError(f"stamps of {file} in an array of four axes", got, fix)


def check_words(axes: str | None, channels: Sequence[str] | None) -> None:
    """Refuse axes and channels that no array can have, whatever the files are.

    Args:
        axes: letters, if they were said.
        channels: their order in the array, if it was said.

    Raises:
        UserError: letters other than n, c, y, x; a channel that is missing or there twice.
    """
    letters = sorted(axes or LETTERS)
    if letters not in (sorted(LETTERS), sorted("nyx")):
        raise UserError(_AXES, str(axes), "for instance preprocessing.axes=nyxc")
    _order(channels or CHANNELS)


def _order(channels: Sequence[str]) -> tuple[int, ...]:
    meant = [canonical_channel(name) for name in channels]
    if any(meant.count(name) != 1 for name in CHANNELS):
        got = ", ".join(channels)
        raise UserError("preprocessing.channels with science, reference and difference once each", got, "name them so")
    return tuple(meant.index(name) for name in CHANNELS)


def _likely(stacks: Sequence[Stack]) -> list[Stack]:
    """Those that are named as the three channels, else the one of a usual name, else all."""
    by_channel = {canonical_channel(stack.name): stack for stack in stacks if canonical_channel(stack.name)}
    if set(by_channel) == set(CHANNELS):
        return [by_channel[name] for name in CHANNELS]
    for name in ARRAYS:
        found = [stack for stack in stacks if stack.name.rpartition("/")[2].lower() == name]
        if len(found) == 1:
            return found
    return list(stacks)


def _apart(stacks: Sequence[Stack], axes: str | None, said: bool, file: str) -> Layout:
    shape = stacks[0].shape
    letters = (axes or "nyx").replace("c", "")
    if len(shape) != len("nyx") or sorted(letters) != sorted("nyx"):
        raise UserError(f"arrays of {file} for each channel with the axes n, y, x", f"{shape}, {axes}", "check them")
    strange = [stack.name for stack in stacks if canonical_channel(stack.name) is None]
    if strange and not said:
        got = ", ".join(stack.name for stack in stacks)
        named = ",".join(stack.name for stack in stacks)
        fix = f"say which is which, in the order science, reference, difference: preprocessing.stack=[{named}]"
        raise UserError(f"arrays of {file} that are named as the channels", got, fix)
    ordered = stacks if said else sorted(stacks, key=lambda stack: CHANNELS.index(str(canonical_channel(stack.name))))
    names = tuple(stack.name for stack in ordered)
    return Layout(names, shape[letters.index("n")], letters, (0, 1, 2), shape)


def _together(stack: Stack, axes: str | None, order: tuple[int, ...], count: int, file: str) -> Layout:
    shape = stack.shape
    if axes is not None:
        shape = _said(shape, axes, count, file)
    elif len(shape) == len(LETTERS):
        axes = _guessed(shape, count, file)
    else:
        raise _without_axes(stack, count, file)
    return Layout((stack.name,), shape[axes.index("n")], axes, order, shape)


def _said(shape: tuple[int, ...], axes: str, count: int, file: str) -> tuple[int, ...]:
    if sorted(axes) != sorted(LETTERS):
        raise UserError(_AXES, axes, "for instance preprocessing.axes=nyxc")
    if len(shape) < len(axes) and axes[0] == "n":  # each row is a whole triplet, or a channel's stamp
        numbers = math.prod(shape[1:])
        side = round((numbers / count) ** 0.5)
        if numbers != count * side * side:
            raise UserError(f"rows of {file} that are square stamps", f"{numbers} numbers", "give them as four axes")
        shape = (shape[0], *(count if letter == "c" else side for letter in axes[1:]))
    if len(shape) != len(axes) or shape[axes.index("c")] != count:
        got = f"axes {axes} and the shape {shape}"
        fix = f"say the axes in the array's order; c must have {count}, as preprocessing.channels"
        raise UserError(f"axes of {file} that fit its shape", got, fix)
    return shape


def _guessed(shape: tuple[int, ...], count: int, file: str) -> str:
    """Samples first, unless that leaves no channels; two sides alike. Only one answer counts.

    As many samples as rows or columns leave several where they are not first.
    """
    found = []
    for axes in ("ncyx", "nyxc", "yxcn", "cyxn", "cnyx", "yxnc"):
        size = {letter: shape[axes.index(letter)] for letter in LETTERS}
        sides_alike = size["y"] == size["x"] and size["y"] > count
        if size["c"] == count and sides_alike and (axes[0] == "n" or size["n"] != size["y"]):
            found.append(axes)
    first = [axes for axes in found if axes.startswith("n")] or found
    if len(first) != 1:
        got = f"the shape {shape}, which fits {' and '.join(first) or 'no order of axes'}"
        fix = "say preprocessing.axes=nyxc (samples, rows, columns, channels) or as it is"
        raise UserError(f"stamps of {file} with {count} channels and square sides", got, fix)
    return first[0]


def refuse_other_order(stamps: Floats32, named: Sequence[str], file: str) -> None:
    """Refuse stamps that show another channel to be the science image: the sum of the other two.

    Less either of the others it goes up and down with the third. Real differences are scaled and convolved, so that the
    signs of these correlations tell it where no pixel is the exact sum.

    Args:
        stamps: (n, 3, h, w) as they are read: science, reference, difference; neither normalised nor blank, and none of
            a source that faded, whose difference surveys may send turned over.
        named: the channels in the order of the array, as they are read.
        file: for the messages.

    Raises:
        UserError: names the two orders that are left: nobody can tell the reference from the difference so.
    """
    if len(stamps) < ENOUGH:
        return
    a, b, c = stamps.swapaxes(0, 1)
    third, second, first = (_correlations(one - two, rest) for one, two, rest in ((a, b, c), (c, a, b), (b, c, a)))
    for place, shown in ((1, (third < -CHANCE) & (first > CHANCE)), (2, (second > CHANCE) & (first < -CHANCE))):
        if shown.mean() > MOST:
            got = f"{file}, whose {CHANNELS[place]} as it is read is the sum of the other two in most stamps"
            orders = " or ".join(f"[{_turned(named, meant)}]" for meant in _ORDERS[place])
            fix = f"say the order: preprocessing.channels={orders}; or [{','.join(named)}] where it is right"
            raise UserError("stamps in the order science, reference, difference", got, fix)


def _correlations(one: Floats32, other: Floats32) -> Array:
    """Pearson's coefficient of each two images, (n, h, w) -> (n,); NaN where one does not vary."""
    known = np.isfinite(one) & np.isfinite(other)
    x, y = (np.where(known, image, np.nan).astype(np.float64).reshape(len(one), -1) for image in (one, other))
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of images without a pixel in common
        x, y = (image - np.nanmean(image, axis=1, keepdims=True) for image in (x, y))
        return np.asarray(np.nansum(x * y, axis=1) / np.sqrt(np.nansum(x**2, axis=1) * np.nansum(y**2, axis=1)))


# What was read as science, reference, difference, if the science image is the second or the third of them.
_ORDERS = {
    1: (("reference", "science", "difference"), ("difference", "science", "reference")),
    2: (("reference", "difference", "science"), ("difference", "reference", "science")),
}


def _turned(named: Sequence[str], meant: Sequence[str]) -> str:
    told = dict(zip(CHANNELS, meant, strict=True))
    return ",".join(told.get(name, name) for name in named)
