"""The one place from which code outside this project imports: base classes and contracts.

    from astrid_ml.plugins import DomainPipeline, Drop, PreparedDataModule, Task, Unit, UserError

Their homes may move; these names stay.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astrid_ml.contracts.pipeline import (
        Completes,
        DomainPipeline,
        Drop,
        Exports,
        Labeller,
        Makes,
        SampleSource,
        Unit,
        UnitWriter,
    )
    from astrid_ml.contracts.scoring import Draws, Embeds, PicksSamples, Scorer
    from astrid_ml.contracts.verbs import Command, Simulator
    from astrid_ml.datamodules.prepared import PreparedDataModule
    from astrid_ml.dataset.prepared import PreparedDataset
    from astrid_ml.errors import UserError
    from astrid_ml.executors.contract import Executor
    from astrid_ml.files import write_json
    from astrid_ml.models.tasks.task import Task
    from astrid_ml.splits.plan import Split, SplitPlan
    from astrid_ml.table_files import write_table
    from astrid_ml.tables import read_table
    from astrid_ml.types import (
        Count,
        Existing,
        Filled,
        InUnits,
        Length,
        NonNegative,
        Ordered,
        Positive,
        Range,
        Share,
        Whole,
    )

_HOMES = {
    "astrid_ml.contracts.pipeline": (
        "Completes",
        "DomainPipeline",
        "Drop",
        "Exports",
        "Labeller",
        "Makes",
        "SampleSource",
        "Unit",
        "UnitWriter",
    ),
    "astrid_ml.contracts.scoring": ("Draws", "Embeds", "PicksSamples", "Scorer"),
    "astrid_ml.contracts.verbs": ("Command", "Simulator"),
    "astrid_ml.datamodules.prepared": ("PreparedDataModule",),
    "astrid_ml.dataset.prepared": ("PreparedDataset",),
    "astrid_ml.errors": ("UserError",),
    "astrid_ml.files": ("write_json",),
    "astrid_ml.table_files": ("write_table",),
    "astrid_ml.models.tasks.task": ("Task",),
    "astrid_ml.executors.contract": ("Executor",),
    "astrid_ml.splits.plan": ("Split", "SplitPlan"),
    "astrid_ml.tables": ("read_table",),
    "astrid_ml.types": (
        "Count",
        "Existing",
        "Filled",
        "InUnits",
        "Length",
        "NonNegative",
        "Ordered",
        "Positive",
        "Range",
        "Share",
        "Whole",
    ),
}

__all__ = [
    "Command",
    "Completes",
    "Count",
    "DomainPipeline",
    "Draws",
    "Drop",
    "Embeds",
    "Executor",
    "Existing",
    "Exports",
    "Filled",
    "InUnits",
    "Labeller",
    "Length",
    "Makes",
    "NonNegative",
    "Ordered",
    "PicksSamples",
    "Positive",
    "PreparedDataModule",
    "PreparedDataset",
    "Range",
    "SampleSource",
    "Scorer",
    "Share",
    "Simulator",
    "Split",
    "SplitPlan",
    "Task",
    "Unit",
    "UnitWriter",
    "UserError",
    "Whole",
    "read_table",
    "write_json",
    "write_table",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: a plug-in that needs no network does not pay for torch."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
