"""Preparing from the command line: a plan first, then the dataset, then nothing anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from astrid_ml.cli.verbs.prepare import command
from astrid_ml.config import compose
from astrid_ml.dataset.prepared import PreparedDataset


def words(folder: Path, *more: str) -> list[str]:
    small = ["experiment=realbogus_triplets", "simulate.n=8", "simulate.missions=[ZTF,PS1]"]
    return [*small, f'paths.data="{folder}/store"', *more]


def test_the_plan_names_the_dataset_that_preparing_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(compose("prepare", words(tmp_path, "dry_run=true"))) == 0
    plan = json.loads(Path(capsys.readouterr().out.strip().removeprefix("plan: ")).read_text())
    assert not list((tmp_path / "store").glob("realbogus_triplets-*/dataset.json"))
    assert command(compose("prepare", words(tmp_path))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"dataset: {tmp_path / 'store' / plan['dataset']}"
    assert lines[1:] == ["samples: 8", "units: 2 done, 0 found again, 0 failed"]
    assert len(PreparedDataset(lines[0].removeprefix("dataset: ")).index) == 8


def test_a_given_dataset_is_opened_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(compose("prepare", words(tmp_path)))
    path = capsys.readouterr().out.splitlines()[0].removeprefix("dataset: ")
    assert command(compose("prepare", words(tmp_path, f'dataset="{path}"'))) == 0
    assert capsys.readouterr().out.splitlines() == [f"dataset: {path}", "samples: 8"]
