"""Whether a survey's label names a transient or a periodic variable."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

TRANSIENT, PERIODIC = "transient", "periodic"
# Types as BTS, ALeRCE and the Transient Name Server write them, without blanks.
_TRANSIENT = re.compile(r"^(SN|SLSN|TDE|KN|ILOT|ILRT|CART|PISN|LRN|Nova|CV|dwarf-?nova|uLens|Mdwarf)", re.IGNORECASE)
_PERIODIC = re.compile(
    r"^(RR|Ceph|CEP|DCEP|T2CEP|CW|DSCT|d-?Sct|EA|EB|EW|EC|ED|ESD|LPV|Mira|SR|OSARG|RSCVN|BYDRA)", re.IGNORECASE
)


def variability_of(labels: Iterable[object]) -> npt.NDArray[np.object_]:
    """``transient``, ``periodic``, or None for each label: stochastic sources and unknown names are neither.

    A transient here is what brightens once or now and then (novae, dwarf novae, flares and lenses included).
    """
    return np.array([_one(label) for label in labels] or [], dtype=object)


def _one(label: object) -> str | None:
    text = label.replace(" ", "") if isinstance(label, str) else ""
    if _TRANSIENT.match(text):
        return TRANSIENT
    return PERIODIC if _PERIODIC.match(text) else None
