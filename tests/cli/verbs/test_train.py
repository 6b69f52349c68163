"""Training from the command line: which folder, which words, and what a finished run answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from astrid_ml.build import plain
from astrid_ml.cli.verbs.train import command, task_overrides, true_run_dir
from astrid_ml.config import compose
from astrid_ml.errors import UserError
from astrid_ml.run.folder import open_run_folder


def test_outside_a_job_the_folder_is_the_configurations_and_nothing_was_typed() -> None:
    assert true_run_dir(OmegaConf.create({"paths": {"run_dir": "runs/a (1)"}})) == "runs/a (1)"
    assert task_overrides() == []


def test_a_finished_run_is_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = compose("train", ["experiment=realbogus_triplets", f'paths.run_dir="{tmp_path}"'])
    open_run_folder(tmp_path, plain(config))
    (tmp_path / "metrics.json").write_text('{"test/aucpr": 0.5}')
    assert command(config) == 0
    assert capsys.readouterr().out == f"already finished: {tmp_path / 'report.html'}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "metrics.json"]


def test_without_raw_files_it_says_what_to_add(tmp_path: Path) -> None:
    words = [f'paths.run_dir="{tmp_path}/run"', f'paths.data="{tmp_path}/store"']
    with pytest.raises(UserError, match=r"add paths\.raw=FOLDER"):
        command(compose("train", words))
