"""Preparing from the command line: a plan first, then the dataset, then nothing anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from astrid_ml.cli.verbs.prepare import accounts_of, command
from astrid_ml.config import compose
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError


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
    assert lines[1:] == [
        "samples: 8",
        "labels: 3 real, 5 bogus",
        "simulated stamps: 8",
        "units: 2 done, 0 found again, 0 failed",
    ]
    assert len(PreparedDataset(lines[0].removeprefix("dataset: ")).index) == 8


def test_a_given_dataset_is_opened_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(compose("prepare", words(tmp_path)))
    path = capsys.readouterr().out.splitlines()[0].removeprefix("dataset: ")
    assert command(compose("prepare", words(tmp_path, f'dataset="{path}"'))) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"dataset: {path}",
        "samples: 8",
        "labels: 3 real, 5 bogus",
        "simulated stamps: 8",
    ]


def test_what_is_not_printed_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reasons = {f"reason {number}": 20 - number for number in range(10)}
    told = accounts_of({"drops_by_reason": reasons, "counts": {"samples": 3, "stamps_cut": 2}})
    assert told[7:] == [("left out, reason 7", 13), ("left out, 2 other reasons", 23), ("stamps cut", 2)]
    raw = tmp_path / "raw"
    raw.mkdir()
    np.save(raw / "a.npy", np.random.default_rng(1).normal(size=(3, 3, 31, 31)))
    for number in range(12):
        (raw / f"b{number:02d}.npy").write_bytes(b"\x93NUMPY\x01\x00")
    given = ["preprocessing=triplets", "label=none", f"paths.raw={raw}"]
    assert command(compose("prepare", [*given, f"paths.data={tmp_path / 'store'}", "max_failed=1"])) == 1
    said = capsys.readouterr().out
    assert said.count("  failed b") == 10 and "and 2 more: " in said and "dataset.json, under failed" in said
    with pytest.raises(UserError, match=r"12 of 13 failed .*; and 9 more\)"):
        command(compose("prepare", [*given, f"paths.data={tmp_path / 'other'}"]))
