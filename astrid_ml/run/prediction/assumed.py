"""A checkpoint's configuration with the share of real ones that the user's sky has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astrid_ml.build import build, with_defaults
from astrid_ml.contracts.scoring import SettlesPrevalence
from astrid_ml.errors import UserError


def with_prevalence(config: Mapping[str, Any], prevalence: float | str | None) -> dict[str, Any]:
    """The configuration whose judge assumes this prevalence; as it is where there is none.

    Args:
        config: of a checkpoint.
        prevalence: a number or ``1/300``.

    Raises:
        UserError: the judge knows no prevalence, as of classes of light curves or of voxels.
    """
    if prevalence is None:
        return dict(config)
    node = with_defaults(dict(config["evaluation"]))
    if "prevalence" not in node:
        got = str(node.get("_target_", "")).rpartition(".")[2]
        raise UserError("prevalence= with a checkpoint of real and bogus", f"one that {got} judges", "leave it out")
    return {**config, "evaluation": {**node, "prevalence": prevalence}}


def settled_calibration(config: Mapping[str, Any], calibration: dict[str, Any], trust: Any = ()) -> dict[str, Any]:
    """What was fitted, at the prevalence of the configuration's judge.

    Args:
        config: of a checkpoint, with the user's values in it.
        calibration: of its record.
        trust: classes outside this project that may be named.

    Raises:
        UserError: the checkpoint cannot be moved to another prevalence.
    """
    judge = build(config["evaluation"], trust)
    return judge.settled(calibration) if isinstance(judge, SettlesPrevalence) else calibration
