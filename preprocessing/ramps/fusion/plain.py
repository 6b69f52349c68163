"""The fusion without a network: weights fitted over many skies, cadences and detectors, for predictions untrained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.evidence import EvidenceSearch
from astrid_ml.preprocessing.ramps.fusion.fusion import Fusion
from astrid_ml.preprocessing.ramps.fusion.network import fused
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.shipped import shipped
from astrid_ml.types import Array

SHIPPED, NONE = "shipped", "none"  # words of the option; anything else is a file
NAME = "ramps_fusion"


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
    try:
        return PlainFusion.from_plain(json.loads(Path(option).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"preprocessing.fusion of {SHIPPED}, {NONE}, or a file of weights",
            f"{option}: {type(error).__name__}",
            f"say {SHIPPED}, or make a file: make weights",
        ) from None
