"""Trainings of one configuration on folds that are given, each in a folder of its own and resumed there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.build import build
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.predictions import read_predictions
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.evaluation.rankings import ComparesRankings
from astrid_ml.run.prepare import prepare
from astrid_ml.run.training.train import train
from astrid_ml.splits.plan import SplitPlan, index_for, planned_for_training
from astrid_ml.splits.sealed import Seal
from astrid_ml.table_files import write_table


@dataclass(frozen=True)
class Trainings:
    """What all trainings of a comparison share.

    Args:
        config: of a training.
        dataset: prepared.
        folder: gets a folder for each training, below ``runs``, and the folds, below ``folds``.
    """

    config: dict[str, Any]
    dataset: PreparedDataset
    folder: Path

    @classmethod
    def of(cls, config: dict[str, Any], folder: Path) -> Trainings:
        """Open or prepare the dataset of a configuration.

        Raises:
            UserError: its judge cannot compare networks.
        """
        judge = build(config["evaluation"], config.get("trust", []))
        if not isinstance(judge, ComparesRankings):
            got = f"{type(judge).__name__}, which has no ranking"
            fix = "choose evaluation=binary, hierarchical or voxels, or give the class ranking and ranking_difference"
            raise UserError("evaluation= with a judge that compares networks", got, fix)
        dataset, _ = prepare(config)
        return cls(config, dataset, folder)

    @property
    def judge(self) -> ComparesRankings:
        """Of the configuration."""
        judge: ComparesRankings = build(self.config["evaluation"], self.config.get("trust", []))
        return judge

    def plan(self) -> SplitPlan:
        """The configuration's own split of the dataset.

        Raises:
            UserError: it has several rounds, or no test fold.
        """
        split = build(self.config["split"], self.config.get("trust", []))
        plan = planned_for_training(split, index_for(split, self.dataset))
        Seal(self.dataset.path).refuse_use(plan.rounds)
        if len(plan.rounds) > 1 or not (plan.rounds[0]["fold"] == "test").any():
            got = f"{plan.name} with {len(plan.rounds)} rounds" if len(plan.rounds) > 1 else f"{plan.name} without one"
            raise UserError("a split of one round with a test fold", got, "choose split=group, time, sky or column")
        return plan

    def run(
        self, name: str, folds: pd.DataFrame, seed: int, audit: str | None = None, dataset: Path | None = None
    ) -> pd.DataFrame:
        """Train on these folds unless that is done, and return the judged predictions of the test fold.

        Args:
            name: of the folder; another seed or other folds get another folder.
            folds: ``id`` and ``fold`` of each sample.
            seed: of the training.
            audit: ``warn`` or ``off`` instead of the configuration's mode.
            dataset: another one with the same samples.
        """
        table = folds[["id", "fold"]].astype(str).reset_index(drop=True)
        place = self.folder / "folds" / f"{digest_of(table.to_dict('list'))[:12]}.parquet"
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            write_table(table, place)
        home = self.folder / "runs" / f"{name}-seed{seed}"
        config = {
            **self.config,
            "seed": seed,
            "dataset": str((dataset or self.dataset.path).absolute()),
            "split": {"_target_": "astrid_ml.splits.given.GivenSplit", "path": str(place.absolute())},
            "paths": {**self.config["paths"], "raw": None, "run_dir": str(home)},
        }
        if audit is not None:
            config["audit"] = {**self.config["audit"], "mode": audit}
        train(config, [f"comparison={name}"])
        return read_predictions(home / "predictions" / "test.parquet")

    def checkpoint(self, name: str, seed: int) -> Path:
        """What a training left."""
        return self.folder / "runs" / f"{name}-seed{seed}" / "checkpoints" / "best.ckpt"
