"""On which samples trials were validated: numbers of different samples are not comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.experiments.space import Space
from astrid_ml.experiments.trial import record_of

# First parts of keys and groups that decide which samples there are, or what is true of them.
DECIDE = ("simulate", "split", "label", "dataset", "data", "survey", "schemas")
SAMPLES = "samples"  # of a trial in its study, where it stays when the run is removed
PLACES = ("paths.raw",)


def deciding(space: Space) -> list[str]:
    """Keys of a space by which trials are validated on other samples.

    What is prepared otherwise (``preprocessing``) may keep the samples, and may lose some: their ids say it afterwards.

    Args:
        space: of a sweep.
    """
    names = [parameter.name for parameter in space.parameters]
    firsts = {name: name.lstrip("/").partition("@")[0].replace("/", ".").partition(".")[0] for name in names}
    return [name for name, first in firsts.items() if first in DECIDE or name in PLACES]


def validated_on(folder: Path, params: Mapping[str, Any], keys: Sequence[str]) -> str:
    """A name for the samples of a trial: ids and folds, true ones in validation, and the keys that decide more of them.

    Args:
        folder: of the trial.
        params: of the trial.
        keys: of :func:`deciding`.
    """
    split = (record_of(folder) or {}).get("split")
    said = split if isinstance(split, dict) else {}
    counts = [row for row in said.get("counts") or [] if isinstance(row, dict) and row.get("fold") == "val"]
    known = [(row.get("round"), row.get("labelled"), row.get("positives")) for row in counts]
    return repr((said.get("hash"), known, [(key, params.get(key)) for key in keys]))


def placed(names: Sequence[str]) -> list[int | None]:
    """A number for each: 0 for the samples of most trials; of equally many, for those of the earlier trial.

    Args:
        names: of the samples of finished trials, in the order of the trials; empty of others.

    Example:
        >>> placed(["x", "y", "", "y"])
        [1, 0, None, 0]
    """
    kinds = sorted({*names} - {""}, key=lambda name: (-names.count(name), names.index(name)))
    return [kinds.index(name) if name else None for name in names]
