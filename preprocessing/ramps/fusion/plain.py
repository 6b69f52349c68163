"""The fusion without a network: weights fitted over many skies, cadences and detectors, for predictions untrained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import read_note
from astrid_ml.pipeline.parts import in_short
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.evidence import EvidenceSearch
from astrid_ml.preprocessing.ramps.fusion.fusion import Fusion, features
from astrid_ml.preprocessing.ramps.fusion.network import fused
from astrid_ml.preprocessing.ramps.fusion.truth import PACKED
from astrid_ml.preprocessing.ramps.ramp.codes import CLASS_NAMES
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.shipped import shipped
from astrid_ml.types import Array

SHIPPED, NONE = "shipped", "none"  # words of the option; anything else is a file
NAME = "ramps_fusion"
_LARGEST = 2**20  # bytes of a file of weights
_NO_CANDIDATES = pd.DataFrame(columns=list(PACKED), dtype=float)


@dataclass(frozen=True)
class PlainFusion:
    """A fusion of likelihood, rules and context, and the ramps that it was fitted on.

    Args:
        fusion: its weights; its own threshold is not used.
        thresholds: (number of groups, log-odds from which a step is listed), by rising numbers.
        groups: fewest and most groups.
        reads: fewest and most reads of a group.
    """

    fusion: Fusion
    thresholds: tuple[tuple[float, float], ...]
    groups: tuple[int, int]
    reads: tuple[int, int]

    def of(self, ramp: Ramp) -> Fusion:
        """With the threshold of a ramp's length, between those of the lengths that were measured."""
        known = np.array(self.thresholds)
        level = np.interp(np.log(ramp.shape[1]), np.log(known[:, 0]), known[:, 1])
        return replace(self.fusion, threshold=float(level))

    def outside(self, ramp: Ramp) -> str | None:
        """What of a ramp the weights were never fitted on; None where nothing is."""
        said = [
            f"{got} {what}, fitted on {low} to {high}"
            for what, got, (low, high) in (
                ("groups", ramp.shape[1], self.groups),
                ("reads in a group", int(np.max(ramp.sampling.reads)), self.reads),
            )
            if not low <= got <= high
        ]
        return "; ".join(said) or None

    def refine(self, processed: Processed, cube: Array) -> Processed:
        """The list of likelihood and rules, decided anew with what stands around each step.

        Args:
            processed: the exposure, and what likelihood and rules found in it.
            cube: processed reads in e-, (n_ints, n_groups, n_rows, n_cols).
        """
        fusion = self.of(processed.exposure.ramp)
        return fused(EvidenceSearch(fusion.faintest)(processed, cube, None), fusion, processed)

    def check(self) -> None:
        """Refuse weights that fit no candidates, or are no numbers.

        Raises:
            ValueError: what is wrong.
        """
        fusion, known = self.fusion, set(features(_NO_CANDIDATES, True))
        n = len(fusion.names)
        shapes = {"mean": (n,), "scale": (n,), "weights": (len(CLASS_NAMES), n), "bias": (len(CLASS_NAMES),)}
        for name, shape in shapes.items():
            values = getattr(fusion, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} of shape {values.shape}, or not finite")
        if not set(fusion.names) <= known or not (fusion.scale > 0).all():
            raise ValueError("features that candidates do not have, or scales of 0")
        lengths, levels = np.array(self.thresholds, float).reshape(-1, 2).T
        if not len(lengths) or not (np.diff(lengths, prepend=0) > 0).all() or not np.isfinite(levels).all():
            raise ValueError("thresholds of no rising lengths")

    def to_plain(self) -> dict[str, Any]:
        """As plain containers."""
        fitted = [list(pair) for pair in self.thresholds]
        return {
            "fusion": self.fusion.to_plain(),
            "thresholds": fitted,
            "groups": list(self.groups),
            "reads": list(self.reads),
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> PlainFusion:
        """The inverse of ``to_plain``."""
        low, high = plain["groups"]
        least, most = plain["reads"]
        thresholds = tuple((float(groups), float(level)) for groups, level in plain["thresholds"])
        return PlainFusion(
            Fusion.from_plain(plain["fusion"]), thresholds, (int(low), int(high)), (int(least), int(most))
        )


def plain_fusion(option: str) -> PlainFusion | None:
    """The fusion that an option names.

    Args:
        option: ``shipped``, ``none``, or the path of a JSON file as ``make weights`` writes it.

    Raises:
        UserError: the file is missing or holds something else.
    """
    if option == NONE:
        return None
    if option == SHIPPED:
        return PlainFusion.from_plain(shipped(NAME).content)
    path = Path(option)
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("larger than any weights")
        found = PlainFusion.from_plain(read_note(path))
        found.check()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UserError(
            f"preprocessing.fusion of {SHIPPED}, {NONE}, or a file of weights",
            f"{option}: {in_short(error)}",
            f"say {SHIPPED}, or make a file: make weights",
        ) from None
    return found
