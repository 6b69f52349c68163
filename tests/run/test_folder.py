"""A run's folder belongs to one configuration once it has begun, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pytorch_lightning.utilities import rank_zero_only

from astrid_ml.errors import UserError
from astrid_ml.run.folder import open_run_folder

CONFIG: dict[str, Any] = {
    "name": "é",
    "seed": 1,
    "optimizer": {"lr": 1e-5, "betas": [0.9, 0.999]},
    "trainer": {"max_epochs": 3, "enable_progress_bar": True},
    "paths": {"run_dir": "runs/a"},
    "label": None,
    "extra": {},
}


def begun(folder: Path) -> Path:
    open_run_folder(folder, CONFIG)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").touch()
    return folder


def changed(**values: Any) -> dict[str, Any]:
    return {**CONFIG, **values}


def test_a_fresh_folder_keeps_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a (1)"
    assert open_run_folder(folder, CONFIG) is None
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")) == CONFIG
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


def test_the_same_configuration_resumes_and_a_shown_or_placed_one_too(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    assert open_run_folder(folder, CONFIG) is None
    trainer = {"max_epochs": 3, "enable_progress_bar": False, "log_every_n_steps": 1}
    assert open_run_folder(folder, changed(paths={"run_dir": "elsewhere"}, trainer=trainer, dry_run=True)) is None


def test_another_configuration_is_refused_with_the_keys_that_changed(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    with pytest.raises(UserError) as caught:
        open_run_folder(folder, changed(seed=2, optimizer={"lr": 1e-5, "betas": [0.9, 0.99]}, more=1))
    assert caught.value.got.startswith("3 changed: more: None -> 1, optimizer.betas: [0.9, 0.999] -> [0.9, 0.99], ")
    assert "seed: 1 -> 2" in caught.value.got
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")) == CONFIG


def test_other_raw_files_are_another_run_and_moved_ones_are_not(tmp_path: Path) -> None:
    folder, a, b = tmp_path / "run", tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    first = changed(paths={"run_dir": "r", "raw": str(a)})
    open_run_folder(folder, first)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").touch()
    (tmp_path / "link").symlink_to(a)
    for same in (str(tmp_path / "link"), [str(a)]):
        assert open_run_folder(folder, changed(paths={"run_dir": "r", "raw": same})) is None
    for other in (str(b), [str(a), str(b)], None):
        with pytest.raises(UserError, match=r"1 changed: paths\.raw"):
            open_run_folder(folder, changed(paths={"run_dir": "r", "raw": other}))
    a.rename(tmp_path / "c")
    assert open_run_folder(folder, changed(paths={"run_dir": "r", "raw": str(tmp_path / "c")})) is None


def test_a_k_fold_run_has_begun_with_the_first_of_its_folds(tmp_path: Path) -> None:
    open_run_folder(tmp_path, CONFIG)
    (tmp_path / "fold_0" / "checkpoints").mkdir(parents=True)
    (tmp_path / "fold_0" / "checkpoints" / "last.ckpt").touch()
    with pytest.raises(UserError, match="seed: 1 -> 2"):
        open_run_folder(tmp_path, changed(seed=2))


def test_a_further_process_of_a_training_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_run_folder(tmp_path, CONFIG)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "prepare.json").write_text("{}")
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert open_run_folder(tmp_path, changed(paths={"run_dir": "/written/by/hydra"})) is None
    assert (tmp_path / "stages" / "prepare.json").is_file()
    assert yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8")) == CONFIG


def test_a_run_that_never_began_binds_nobody(tmp_path: Path) -> None:
    open_run_folder(tmp_path, CONFIG)
    assert open_run_folder(tmp_path, changed(seed=2)) is None
    assert yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))["seed"] == 2


def test_a_class_that_moved_since_is_the_same_class(tmp_path: Path) -> None:
    from astrid_ml.identity import name_of
    from astrid_ml.moved import MOVED

    home = next(home for home in MOVED.values() if name_of(home) != home)
    folder = tmp_path / "run"
    open_run_folder(folder, changed(model={"_target_": name_of(home)}))
    (folder / "metrics.json").write_text("{}")
    assert open_run_folder(folder, changed(model={"_target_": home})) == {}


def test_a_finished_run_answers_with_its_metrics(tmp_path: Path) -> None:
    (begun(tmp_path) / "metrics.json").write_text('{"test/aucpr": 0.5, "test/mcc": null}')
    assert open_run_folder(tmp_path, CONFIG) == {"test/aucpr": 0.5, "test/mcc": None}


def test_a_place_that_is_no_folder_is_the_users_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"choose another paths\.run_dir"):
        open_run_folder(tmp_path / "file" / "run", CONFIG)
