"""Columns of a stranger's predictions: those that no run writes, and those that no number is made from."""

from __future__ import annotations

import re

from astrid_ml.checkpoint.predictions import ADDED
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.reasons import shortened
from astrid_ml.referee.numbers import applied
from astrid_ml.referee.opened import Bundle
from astrid_ml.referee.verdicts import DIFFERENT, UNKNOWN, WITHOUT_DATA, Compared

# What tasks of this project write beside the scores of their classes.
OF_TASKS = (
    *("index_row", "logit"),
    *("days", "seen_days", "novelty_p", "baseline_class"),  # of light curves
    *("evidence", "quiet_area", "fusion", "fusion_without_network"),  # of ramps
)
_OF_CLASS = re.compile(r"(?:score|p)_(?P<tree>.+)|(?P<voxel>.+)_(?:true|false)")
COMPARED = (*ADDED, *OF_TASKS)
KNOWN = ("id", "group_id", "label", "mission")  # columns of the index that split, networks and metrics know too
OURS = "astrid_ml."  # classes of this project


def columns(bundle: Bundle) -> Compared:
    """No column that a run does not write; those of the index are the dataset's, and only it knows them."""
    index, (record, _) = _index(bundle), bundle.checkpoints[0]
    classes = {*(record.classes or ANOMALIES)}
    foreign: dict[str, None] = {}
    for table in bundle.predictions.values():
        names = [str(name) for name in table]
        kept = [name for name in names if name in index or name in COMPARED or _of_class(name, classes)]
        judged = set(map(str, applied(bundle, table[kept], record.calibration))) if len(table) else set(names)
        foreign |= dict.fromkeys(name for name in names if name not in judged)
    if foreign:
        return Compared(
            DIFFERENT if _known_task(bundle) else UNKNOWN, shortened(f"no run writes {', '.join(foreign)}", 300)
        )
    own = sorted(index.intersection(*bundle.predictions.values()) - {*KNOWN})
    return Compared(WITHOUT_DATA, shortened(f"only the dataset tells whether these are true: {', '.join(own)}", 300))


def _index(bundle: Bundle) -> set[str]:
    """Columns of the dataset's index, as Croissant describes them."""
    described = bundle.mapping("dataset/croissant.json")["recordSet"]
    samples = next(part for part in described if part["@id"] == "samples")
    return {str(field["name"]) for field in samples["field"]}


def _of_class(name: str, classes: set[str]) -> bool:
    found = _OF_CLASS.fullmatch(name)
    return found is not None and (found["tree"] or found["voxel"]) in classes


def _known_task(bundle: Bundle) -> bool:
    """Whether a task of this project wrote the columns: one of somebody else may write what it likes."""
    return str(bundle.config["model"]["task"]["_target_"]).startswith(OURS)
