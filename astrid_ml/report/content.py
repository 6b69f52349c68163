"""Everything that a report shows, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult


@dataclass(frozen=True)
class SamplePicture:
    """One sample (or a pair of them), drawn.

    Args:
        caption: id, score, label.
        png: the picture.
    """

    caption: str
    png: bytes


@dataclass(frozen=True)
class RunReport:
    """The content of a report and of a model card.

    Args:
        title: of the page.
        record: the content of ``run.json``.
        results: fold -> result; ``test`` (or another dataset's name) first.
        history: one row an epoch; with a column ``round`` where there was more than one; empty for an evaluation.
        samples: heading -> pictures.
        repeat: the command that repeats the run.
        cross: further tables, heading -> table.
        audit_pictures: pairs that the leak audit found, drawn side by side.
        config: the run's whole configuration; shown folded.
    """

    title: str
    record: dict[str, Any]
    results: dict[str, EvaluationResult]
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    samples: dict[str, list[SamplePicture]] = field(default_factory=dict)
    repeat: str = ""
    cross: dict[str, pd.DataFrame] = field(default_factory=dict)
    audit_pictures: list[SamplePicture] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def headline_fold(self) -> str:
        """``test`` where there is one."""
        return "test" if "test" in self.results else next(iter(self.results), "test")

    @property
    def headline(self) -> EvaluationResult:
        """The result of that fold."""
        return self.results.get(self.headline_fold) or EvaluationResult({}, why={"aucpr": "nothing was evaluated"})
