"""What is wrong with a domain of validity that a file holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from astrid_ml.validity.appearance import checked_appearance
from astrid_ml.validity.density import checked_density
from astrid_ml.validity.domain import ADDED, SCALES
from astrid_ml.validity.novelty import checked_novelty
from astrid_ml.validity.spread import checked_spread


def checked_domain(domain: Any) -> str:
    """What is wrong with a domain that a file holds; empty where nothing is."""
    if domain is None or not isinstance(domain, dict) or "ranges" not in domain:
        return "" if domain is None or isinstance(domain, dict) else "a domain of validity that is none"
    if set(domain) | set(ADDED) != {"values", "filters", "ranges", "sky", "simulated", "density", *ADDED}:
        return "a domain of validity with other parts"
    for name in ("values", "filters"):
        if not isinstance(domain[name], dict) or not all(
            isinstance(key, str) and isinstance(texts, list) and all(isinstance(text, str) for text in texts)
            for key, texts in domain[name].items()
        ):
            return f"{name} of validity that are no names"
    for ranges in (domain["ranges"], domain.get(SCALES) or {}):
        if not isinstance(ranges, dict) or not all(_is_range(ends) for ends in ranges.values()):
            return "ranges of validity that are none"
    if not isinstance(domain["simulated"], bool | None) or not isinstance(domain["sky"], str | None):
        return "a domain of validity of other values"
    found = checked_density(domain["density"]) or checked_appearance(domain.get("appearance"))
    return found or checked_novelty(domain.get("novelty")) or checked_spread(domain.get("spread"))


def _is_range(ends: Any) -> bool:
    if not isinstance(ends, list) or len(ends) != 2:
        return False
    real = all(isinstance(end, int | float) and not isinstance(end, bool) and np.isfinite(end) for end in ends)
    return real and ends[0] <= ends[1]
