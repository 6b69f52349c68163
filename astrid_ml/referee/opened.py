"""A stranger's bundle, read part by part: nothing that it brings is run, and no path that it names is opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from astrid_ml.build import build
from astrid_ml.checkpoint.load import read_record
from astrid_ml.checkpoint.predictions import read_predictions
from astrid_ml.checkpoint.record import Record
from astrid_ml.errors import UserError
from astrid_ml.evaluation.judge import Judge
from astrid_ml.files import json_text
from astrid_ml.identity import current, without_gone
from astrid_ml.referee.crate import Listed, files_in, listed_in, refuse_large, small_note
from astrid_ml.referee.verdicts import PartAbsentError
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.table_files import read_parquet

Read = tuple[Record, dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Bundle:
    """The parts of a bundle, each read when it is first asked for.

    Args:
        folder: with ``ro-crate-metadata.json``.
        trust: classes outside this project that its configuration may name: the referee's own list, never the bundle's.

    Raises:
        UserError: a part is damaged, or not of the kind that a run leaves.
        PartAbsentError: the bundle has no such part.
    """

    folder: Path
    trust: Sequence[str] = ()

    @cached_property
    def listed(self) -> Listed:
        """What its metadata say."""
        return listed_in(self.folder)

    @cached_property
    def files(self) -> dict[str, Path]:
        """What lies in it."""
        return files_in(self.folder)

    def file(self, name: str) -> Path:
        """One of its files."""
        if name not in self.files:
            raise PartAbsentError(name)
        return self.files[name]

    def mapping(self, name: str) -> dict[str, Any]:
        content = small_note(self.file(name))
        if not isinstance(content, dict):
            raise UserError(f"{name} with a mapping", type(content).__name__, "ask for the bundle again")
        return content

    @cached_property
    def record(self) -> dict[str, Any]:
        """``run.json``."""
        return self.mapping("run.json")

    @cached_property
    def histories(self) -> list[pd.DataFrame]:
        """The epochs of each round, as ``history.json`` holds them."""
        content = small_note(self.file("history.json"))
        return [pd.DataFrame(history).astype(float) for history in content]

    @cached_property
    def page(self) -> str:
        """``report.html``."""
        return self.file("report.html").read_text(encoding="utf-8")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """``metrics.json``."""
        return self.mapping("metrics.json")

    @cached_property
    def meta(self) -> dict[str, Any]:
        """``dataset.json``."""
        return self.mapping("dataset/dataset.json")

    @cached_property
    def text(self) -> str:
        """``config.yaml``, letter by letter."""
        path = self.file("config.yaml")
        refuse_large(path)
        return path.read_text(encoding="utf-8")

    @cached_property
    def written(self) -> dict[str, Any]:
        """``config.yaml`` as it stands there."""
        text = self.text
        try:
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
                raise UserError("a configuration without references in YAML", "an alias", "ask for the bundle again")
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UserError("config.yaml", "no YAML", "ask for the bundle again") from error
        if not isinstance(content, dict):
            raise UserError("config.yaml with a mapping", type(content).__name__, "ask for the bundle again")
        return content

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration under today's names."""
        config: dict[str, Any] = without_gone(current(self.written))
        return config

    @cached_property
    def judge(self) -> Judge:
        """What evaluated the run, built from its configuration."""
        judge: Judge = build(self.config["evaluation"], self.trust)
        return judge

    @cached_property
    def plan(self) -> SplitPlan:
        """The split, with what the record says of it."""
        names = sorted(name for name in self.files if name.startswith("splits/"))
        if not names:
            raise PartAbsentError("splits/")
        names.sort(key=lambda name: int(name.rpartition("_")[2].removesuffix(".parquet")) if "_" in name else 0)
        said = self.record["split"]
        return SplitPlan(str(said["name"]), [read_parquet(self.files[name]) for name in names], said["account"])

    @cached_property
    def predictions(self) -> dict[str, pd.DataFrame]:
        """Validation and test, as ``val`` and ``test``; an empty table for a test fold that the run did not have."""
        tested = any(row["fold"] == "test" and row["samples"] for row in self.record["split"]["counts"])
        val = read_predictions(self.file("predictions/val.parquet"))
        test = read_predictions(self.file("predictions/test.parquet")) if tested else pd.DataFrame()
        return {"val": val, "test": test}

    def of_round(self, fold: str, number: int) -> pd.DataFrame:
        """The predictions of one round."""
        table = self.predictions[fold]
        return table[table["round"] == number].reset_index(drop=True) if len(table) else table

    @property
    def rounds(self) -> int:
        """How many networks the run trained."""
        return len(self.plan.rounds)

    def place(self, number: int) -> str:
        """Name of the checkpoint of a round."""
        return "checkpoints/best.ckpt" if self.rounds == 1 else f"fold_{number}/checkpoints/best.ckpt"

    @cached_property
    def checkpoints(self) -> list[Read]:
        """Record and weights of each round, read safely, with their own digests compared."""
        return [read_record(self.file(self.place(number))) for number in range(self.rounds)]

    @cached_property
    def joined(self) -> Read | None:
        """The checkpoint of all folds; None where there is one round, or they cannot be joined."""
        said = self.record.get("joined")
        if self.rounds == 1 or not said or not said.get("checkpoint"):
            return None
        return read_record(self.file("checkpoints/best.ckpt"))

    def stage(self, name: str, number: int) -> dict[str, str]:
        """The outputs of a stage as the record has them: of the last of that name and round."""
        found = [stage for stage in self.record["stages"] if (stage["name"], stage["round"]) == (name, number)]
        if not found:
            raise PartAbsentError(f"stage {name} of round {number} in run.json")
        return dict(found[-1]["outputs"])


def plainly(content: Any) -> Any:
    """As it is read again from JSON."""
    return json.loads(json_text(content))
