"""Predicting from the command line: what was scored, dropped and failed is said, and the exit code tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made.untrained import Untrained, untrained

from astrid_ml.build import plain
from astrid_ml.cli.verbs.predict import command, first
from astrid_ml.config import compose
from astrid_ml.errors import UserError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("made"))


def composed(checkpoint: Path, raw: Path, output_dir: Path, *more: str) -> Any:
    return compose("predict", [f'ckpt_path="{checkpoint}"', f'input="{raw}"', f'output_dir="{output_dir}"', *more])


def test_all_samples_are_scored(made: Untrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(composed(made.checkpoint, made.raw, tmp_path / "out")) == 0
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert set(table["id"]) == set(made.dataset.index["id"])
    assert table["score"].between(0, 1).all()
    assert f"40 scored, 0 dropped, 0 units failed -> {tmp_path / 'out' / 'predictions.parquet'}" in (
        capsys.readouterr().out
    )


def test_a_file_that_fails_is_named_and_the_others_are_scored(
    made: Untrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for path in made.raw.glob("triplets_*"):
        (raw / path.name).write_bytes(path.read_bytes())
    [first, *_] = sorted(raw.glob("*.npy"))
    first.write_bytes(b"no array")
    assert command(composed(made.checkpoint, raw, tmp_path / "out")) == 1
    said = capsys.readouterr().out
    assert "30 scored, 0 dropped, 1 units failed" in said
    assert f"  failed {first.stem}: " in said


def test_a_key_that_the_checkpoint_does_not_know_is_refused(made: Untrained, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"got evaluation\.nosuch"):
        command(composed(made.checkpoint, made.raw, tmp_path / "out", "+evaluation.nosuch=1"))
    assert not (tmp_path / "out").exists()


def test_without_a_checkpoint_it_says_what_to_add(tmp_path: Path) -> None:
    cfg = compose("predict", [f"input={tmp_path}", f"output_dir={tmp_path}"])
    with pytest.raises(UserError, match="add ckpt_path="):
        first(plain(cfg))
