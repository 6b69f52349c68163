"""Trained on one value, tested on all."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from astrid_ml.build import plain
from astrid_ml.cli.main import run
from astrid_ml.cli.verbs.matrix import first
from astrid_ml.commands.matrix import MatrixWanted, matrix, safe
from astrid_ml.config import compose
from astrid_ml.errors import UserError

TINY = (
    *("experiment=realbogus_triplets", "simulate.n=240", "simulate.part=60", "simulate.prevalence=0.4"),
    *("simulate.missions=[ztf,galex]", "channels.size=31", "trainer.max_epochs=1", "trainer.precision=32-true"),
    *("logger=none", "audit=off", "evaluation.evaluation.bootstrap.replicates=50"),
)


@pytest.mark.parametrize("asked", [{"seeds": []}, {"seeds": [1, 1]}, {"adapt": ["corall"]}, {"adapt": ["coral"] * 2}])
def test_what_means_nothing_is_refused(asked: dict[str, list[object]]) -> None:
    with pytest.raises(UserError):
        MatrixWanted(**asked)  # type: ignore[arg-type]


def test_none_is_always_asked_for_and_values_make_folders() -> None:
    assert MatrixWanted(adapt=["coral"]).ways == ["none", "coral"]
    assert safe("ps1") == "ps1"
    assert len({safe(name) for name in ("a/b", "a b", "../a", "a-2f")}) == 4
    assert "/" not in safe("../a")


def test_the_verb_reads_what_train_reads() -> None:
    with pytest.raises(UserError, match=r"paths\.raw"):
        first({**plain(compose("matrix", ["output_dir=o"])), "paths": {"raw": None}, "simulate": None})


def test_one_value_is_no_matrix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*TINY, "simulate.missions=[ztf]", f"paths.data={tmp_path / 'store'}", f"output_dir={tmp_path / 'out'}"]
    words.remove("simulate.missions=[ztf,galex]")
    assert run(["matrix", *words]) == 2
    assert "two values of mission or more" in capsys.readouterr().err


@pytest.mark.slow
def test_from_end_to_end_and_again_without_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = plain(compose("train", [*TINY, f"paths.data={tmp_path / 'store'}", "paths.run_dir=none"]))
    told = matrix(config, tmp_path / "out", MatrixWanted(seeds=[1], least=3, adapt=["coral"]))
    table = pd.read_csv(tmp_path / "out" / "matrix.csv")
    plainly = table[table["adapt"] == "none"]
    assert len(plainly) == 6 and len(table) == 8
    assert plainly.groupby("tested")["samples"].nunique().eq(1).all()  # the same samples for all rows
    values = plainly.set_index(["trained", "tested"])["value"]
    for row in plainly[plainly["trained"] != plainly["tested"]].to_dict("records"):
        assert row["to_own"] == pytest.approx(row["value"] - values[row["tested"], row["tested"]], abs=1e-9)
    for row in table[table["adapt"] == "coral"].to_dict("records"):
        assert row["won_back"] == pytest.approx(row["value"] - values[row["trained"], row["tested"]], abs=1e-9)
    assert json.loads((tmp_path / "out" / "matrix.json").read_text())["values"] == ["galex", "ztf"]
    capsys.readouterr()
    assert matrix(config, tmp_path / "out", MatrixWanted(seeds=[1], least=3, adapt=["coral"])) == told
    assert "epoch" not in capsys.readouterr().err
