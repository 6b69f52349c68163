"""The audit of a prepared dataset from the command line: findings are counted, not raised."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrid_ml.audit import Audit
from astrid_ml.commands.audit import AuditCommand
from astrid_ml.splits.options import GroupSplit
from astrid_ml.splits.plan import SplitPlan


@dataclass(frozen=True)
class LastTen:
    """Tests the last ten rows, whatever they share with the others."""

    def plan(self, index: pd.DataFrame) -> SplitPlan:
        fold = np.where(np.arange(len(index)) < len(index) - 10, "train", "test")
        return SplitPlan("last ten", [pd.DataFrame({"id": index["id"], "fold": fold})])


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Samples in pairs of one group; one pair, g35, stands across the border of the last ten."""
    folder = tmp_path / "dataset"
    (folder / "arrays").mkdir(parents=True)
    np.save(folder / "arrays" / "none.values.npy", np.zeros((1, 2)))
    table = pd.DataFrame({"id": [f"s{i}" for i in range(81)], "group_id": [f"g{i // 2}" for i in range(81)]})
    table["label"], table["array"], table["row"] = np.arange(81) % 4 == 0, "none", 0
    table.astype({"label": float}).to_parquet(folder / "index.parquet")
    (folder / "dataset.json").write_text(json.dumps({"schema": 1, "fingerprint": "f"}))
    return folder


def test_a_clean_split_fails_nothing_and_writes_nothing(dataset: Path) -> None:
    summary = AuditCommand(str(dataset), GroupSplit(), Audit(confounding=None)).run()
    assert summary["failed"] == 0
    assert summary["checked"] == "ids, groups"
    assert summary["split"].startswith("group ")
    assert sorted(path.name for path in dataset.parent.iterdir()) == ["dataset"]


def test_a_leak_stands_in_the_file_and_the_mode_says_whether_the_command_fails(dataset: Path, tmp_path: Path) -> None:
    summary = AuditCommand(str(dataset), LastTen(), Audit(mode="fail"), str(tmp_path / "out" / "audit")).run()
    assert summary["failed"] == 1
    assert summary["shared group"] == "1 groups stand in training and test (g35)."
    content = json.loads((tmp_path / "out" / "audit" / "audit.json").read_text())
    assert not content["ok"]
    forgiven = AuditCommand(str(dataset), LastTen(), Audit(mode="warn")).run()
    assert forgiven["failed"] == 0 and forgiven["shared group"] == summary["shared group"]
    assert [finding["pairs"] for finding in content["findings"]] == [[{"train": "g35", "test": "g35"}]]


def test_a_partial_dataset_is_said_on_the_terminal_and_in_the_file(dataset: Path, tmp_path: Path) -> None:
    failed = [{"id": f"night{n}", "reason": "PermissionError: no right"} for n in (1, 2)]
    lost = {"id": "night3", "reason": "missing x.fits"}  # stands in the fingerprint: not a failure that passes
    (dataset / "dataset.json").write_text(json.dumps({"schema": 1, "fingerprint": "f", "failed": [*failed, lost]}))
    summary = AuditCommand(str(dataset), GroupSplit(), Audit(confounding=None), str(tmp_path / "out")).run()
    assert summary["note"] == (
        "The dataset is partial: 2 units failed (the first is night1: PermissionError: no right). "
        "astrid prepare tries them again."
    )
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["note"] == summary["note"]
