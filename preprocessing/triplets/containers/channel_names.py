"""The order of channels, where a container names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.hdf5 import parts_of, text_of

ORDER = ("channels", "channel_names", "channel_order")  # what files call the names of their channels


def channels_of(*attributes: Any) -> tuple[str, ...]:
    """The channels that attributes name, of the first that does."""
    for found in attributes:
        names = next((found[name] for name in ORDER if name in found), None)
        if names is not None and (isinstance(names, str | bytes) or np.ndim(names) == 1):
            words = re.split(r"[,;\s]+", text_of(names).strip("[] ")) if isinstance(names, str | bytes) else names
            return tuple(text_of(name).strip("'\" ") for name in words)
    return ()


def channels_of_members(file: Any, group: str, members: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The channels of each array of a sample, where it, its group or the file names them.

    Args:
        file: of h5py, open, with a group for each sample.
        group: the first of them.
        members: name -> name within the group.
    """
    import h5py

    parts = {name: part for name, part in parts_of(file[group]) if isinstance(part, h5py.Dataset) and part.ndim > 2}
    return {
        name: channels_of(parts[own].attrs, file[group].attrs, file.attrs)
        for name, own in members.items()
        if own in parts
    }
