"""Several networks, one of each fold of a split, that answer as one."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import torch

from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.record import Record
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.programs import FitsItself
from astrid_ml.contracts.scoring import JoinsMembers, JudgesMembers, ModelData, ModelTask
from astrid_ml.errors import UserError
from astrid_ml.reasons import shortened
from astrid_ml.types import Ints

_OF_MEMBER = re.compile(r"members\.(0|[1-9][0-9]{0,3})\.(.+)", re.DOTALL)


class JoinedTask(torch.nn.Module):
    """The tasks of all members; each asks the network of its fold, with the statistics of its own training set.

    Args:
        members: tasks of one class, with their weights.
        statistics: of each member's datamodule.
    """

    def __init__(self, members: Sequence[Any], statistics: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(members)
        self.statistics = list(statistics)
        first = members[0]
        self.monitor, self.monitor_mode = str(first.monitor), str(first.monitor_mode)
        self.history_file: str | None = first.history_file
        self.eval()

    def prepare_for(self, datamodule: Any) -> None:
        """A joined model is not trained: its members are."""
        raise RuntimeError("a joined model can predict, not train")

    def with_data(self, datamodule: Any) -> Iterator[tuple[Any, Any]]:
        """Each member's task and a datamodule with its statistics; all else of the datamodule is as it is given.

        Members whose batches are the same, since they were fitted alike, get one datamodule: each batch is made once.
        """
        made: list[tuple[dict[str, Any], ModelData]] = []
        for task, statistics in zip(self.members, self.statistics, strict=True):
            # What the inputs looked like in training is for the eye; no batch depends on it.
            deciding = {name: value for name, value in statistics.items() if name != "inputs"}
            own = next((data for known, data in made if digest_of(known) == digest_of(deciding)), None)
            if own is None:
                own = copy.copy(datamodule)
                own.load_statistics(statistics)
                made.append((deciding, own))
            yield task, own

    def predict_table(self, datamodule: Any, source: SampleSource, rows: Ints | None = None) -> pd.DataFrame:
        """See :class:`astrid_ml.contracts.scoring.Scorer`; whose statistics the datamodule has does not matter."""
        first: Any = self.members[0]
        table: pd.DataFrame = first.predict_members(list(self.with_data(datamodule)), source, rows)
        return table


def can_join(task: ModelTask, judge: Any) -> str:
    """Why the networks of several folds cannot become one; empty where they can.

    Args:
        task: of a fold.
        judge: of the run.
    """
    if isinstance(task, FitsItself):
        return task.apart
    for part, ability, method in ((task, JoinsMembers, "predict_members"), (judge, JudgesMembers, "fit_members")):
        if not isinstance(part, ability):
            return f"{type(part).__name__} has no {method}"
    return ""


def joined_weights(parts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The weights of all members in one dictionary."""
    return {f"members.{number}.{name}": value for number, part in enumerate(parts) for name, value in part.items()}


def weights_of_members(weights: Mapping[str, torch.Tensor], count: int, path: Any) -> list[dict[str, torch.Tensor]]:
    """The inverse of :func:`joined_weights`.

    Args:
        weights: of a checkpoint.
        count: of its members.
        path: of the file, for messages.

    Raises:
        UserError: a weight of no member.
    """
    out: list[dict[str, torch.Tensor]] = [{} for _ in range(count)]
    for name, value in weights.items():
        found = _OF_MEMBER.fullmatch(name)
        if found is None or int(found[1]) >= count:
            fix = "give the best.ckpt of a run"
            raise UserError(f"weights of {count} members", f"{shortened(name, 80)} in {path}, which is of none", fix)
        out[int(found[1])][found[2]] = value
    return out


def refuse_unlike(records: Sequence[Record], weights: Sequence[Mapping[str, torch.Tensor]]) -> None:
    """Refuse members that are not folds of one run: they must know the same classes from the same samples.

    Args:
        records: of the members.
        weights: of the members.

    Raises:
        UserError: one differs from the first; what differs is named.
    """
    first = records[0]
    for number, (record, own) in enumerate(zip(records, weights, strict=True)):
        same = {
            "classes": record.classes == first.classes,
            "domain": record.domain == first.domain,
            "channels": record.channels == first.channels,
            "dataset": record.dataset_fingerprint == first.dataset_fingerprint,
            "split": (record.sets or {}).get("hash") == (first.sets or {}).get("hash"),
            "configuration": digest_of(record.config) == digest_of(first.config),
            "network": {n: (v.shape, v.dtype) for n, v in own.items()}
            == {n: (v.shape, v.dtype) for n, v in weights[0].items()},
        }
        if other := [name for name, equal in same.items() if not equal]:
            raise UserError(
                "folds of one run, which know the same classes from the same samples",
                f"another {', another '.join(other)} in fold {number} than in fold 0",
                "train again in another paths.run_dir",
            )
