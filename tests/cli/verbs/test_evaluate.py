"""Evaluating from the command line: the headline is printed and the files stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made.untrained import Untrained, untrained
from omegaconf import OmegaConf
from sklearn.metrics import average_precision_score

from astrid_ml.cli.verbs.evaluate import command
from astrid_ml.errors import UserError

OTHER: dict[str, Any] = {"trust": [], "device": "cpu", "format": None, "prevalence": None}
OTHER |= {"allow_outside": False, "sealed": False, "reopen": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("made"))


def test_the_test_fold_alone_is_judged_and_its_headline_printed(
    made: Untrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"ckpt_path": str(made.checkpoint), "dataset": str(made.dataset.path), "output_dir": str(tmp_path / "out")}
    assert command(OmegaConf.create({**words, **OTHER})) == 0
    said = capsys.readouterr().out
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert set(table["id"]) == set(made.folds.loc[made.folds["fold"] == "test", "id"])
    exact = average_precision_score(table["label"].astype(int), table["score"])
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["test/aucpr"] == pytest.approx(exact)
    assert f"evaluated AUCPR {exact:.4f}" in said
    assert f"evaluated: {len(table)}" in said
    assert f"report: {tmp_path / 'out' / 'report.html'}" in said


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    words = {"ckpt_path": str(tmp_path / "best.ckpt"), "dataset": str(tmp_path), "output_dir": str(tmp_path / "out")}
    with pytest.raises(UserError, match=r"nothing at .*best\.ckpt"):
        command(OmegaConf.create({**words, **OTHER}))
    assert not (tmp_path / "out").exists()
