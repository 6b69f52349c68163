"""The order of channels, where a container names it."""

from __future__ import annotations

import re
from typing import Any

from astrid_ml.hdf5 import text_of

ORDER = ("channels", "channel_names", "channel_order")  # what files call the names of their channels


def channels_of(*attributes: Any) -> tuple[str, ...]:
    """The channels that attributes name, of the first that does."""
    for found in attributes:
        names = next((found[name] for name in ORDER if name in found), None)
        if names is not None:
            words = re.split(r"[,;\s]+", text_of(names).strip("[] ")) if isinstance(names, str | bytes) else names
            return tuple(text_of(name).strip("'\" ") for name in words)
    return ()
