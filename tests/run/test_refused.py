"""A training that is refused before it trains anything leaves no folder of a run; its store keeps what was prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.errors import UserError
from astrid_ml.run.folder import LiveRecord

CONFIG = {"name": "night", "paths": {"raw": None, "data": "d", "run_dir": "r", "sweep_dir": "s"}, "seed": 1}


def refused_after(stages: tuple[str, ...], folder: Path) -> None:
    with LiveRecord(folder, CONFIG, []).running() as log:
        for name in stages:
            with log.stage(name):
                pass
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


def test_what_an_earlier_command_left_stays_and_other_errors_are_recorded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), LiveRecord(tmp_path, CONFIG, []).running():
        raise ValueError("broken")
    assert '"failed"' in (tmp_path / "run.json").read_text()
    with pytest.raises(UserError), LiveRecord(tmp_path, CONFIG, []).running():
        raise UserError("labels", "none", "give some")
    assert "UserError" in (tmp_path / "run.json").read_text()
