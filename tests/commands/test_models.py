"""``astrid models``: the package's weights, checkpoints below a folder, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.commands.models import ModelsCommand, files_below
from astrid_ml.errors import UserError
from astrid_ml.shipped import cards
from tests.made.untrained import untrained


def test_it_lists_what_there_is(tmp_path: Path) -> None:
    alone = ModelsCommand().run()
    assert set(alone) == set(cards()) and all("sha256" in line for line in alone.values())
    made = untrained(tmp_path / "made")
    folder = tmp_path / "runs" / "one" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "best.ckpt").write_bytes(made.checkpoint.read_bytes())
    found = ModelsCommand(str(tmp_path / "runs")).run()
    count = sum(weight.numel() for weight in made.task.network.state_dict().values())
    assert f"BraaiWide of {count:,} numbers" in found[str(folder / "best.ckpt")]
    (tmp_path / "runs" / "best.ckpt").write_text("none")
    again = ModelsCommand(str(tmp_path / "runs")).run()
    assert again["failed"] == 1 and again[str(tmp_path / "runs" / "best.ckpt")].startswith("cannot be read")


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="input=FOLDER with runs"):
        files_below(tmp_path)
