"""A training that is refused before it trains anything leaves no folder of a run; its store keeps what was prepared."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from astrid_ml.errors import UserError
from astrid_ml.pipeline.lock import LockLostError
from astrid_ml.run.folder import LiveRecord, owned_folder

CONFIG = {"name": "night", "paths": {"raw": None, "data": "d", "run_dir": "r", "sweep_dir": "s"}, "seed": 1}


def refused_after(stages: tuple[str, ...], folder: Path, writes: tuple[str, ...] = ()) -> None:
    with LiveRecord(folder, CONFIG, []).running() as log:
        for name in stages:
            with log.stage(name):
                pass
        for file in writes:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text("")
        raise UserError("labels", "none", "give some")


@pytest.mark.parametrize(("stages", "stays"), [((), False), (("prepare", "split"), False), (("prepare", "fit"), True)])
def test_its_record_goes_unless_it_has_trained(stages: tuple[str, ...], stays: bool, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: night\n")
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "prepare.json").write_text("{}")
    with pytest.raises(UserError, match="labels"):
        refused_after(stages, tmp_path)
    left = ["config.yaml", "run.json", "stages"] if stays else []
    assert sorted(path.name for path in tmp_path.iterdir()) == left


def test_what_it_wrote_goes_whatever_its_name_and_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "job_7.out").write_text("of the batch system")
    with pytest.raises(UserError, match="labels"):
        refused_after(("prepare",), tmp_path, ("tensorboard/events.out.tfevents.1", "further.txt"))
    assert [path.name for path in tmp_path.iterdir()] == ["job_7.out"]


def test_a_folder_whose_lock_was_lost_is_left_alone_and_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LockLostError), LiveRecord(tmp_path, CONFIG, []).running():
        raise LockLostError("the lock", "another owner", "run again")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    (tmp_path / "run.json").unlink()
    with pytest.raises(OSError, match="space"), LiveRecord(tmp_path, CONFIG, []).running():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_files_of_a_user_are_no_run_and_logs_are_no_files_of_a_user(tmp_path: Path) -> None:
    (tmp_path / "job_7.out").write_text("of the batch system")
    with owned_folder(tmp_path):
        pass
    (tmp_path / "a.fits").write_text("")
    with pytest.raises(UserError, match=r"other files: 1 \.fits"), owned_folder(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "job_7.out"]
    (tmp_path / "config.yaml").write_text("")
    with owned_folder(tmp_path):
        pass


def test_what_an_earlier_command_left_stays_and_other_errors_are_recorded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), LiveRecord(tmp_path, CONFIG, []).running():
        raise ValueError("broken")
    assert '"failed"' in (tmp_path / "run.json").read_text()
    with pytest.raises(UserError), LiveRecord(tmp_path, CONFIG, []).running():
        raise UserError("labels", "none", "give some")
    assert "UserError" in (tmp_path / "run.json").read_text()
