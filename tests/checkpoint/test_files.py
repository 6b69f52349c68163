"""Checkpoints stand whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from astrid_ml.checkpoint.files import AtomicCheckpointIO, write_whole
from astrid_ml.errors import UserError


class Unsaveable:
    """Fails in the middle of being written."""

    def __reduce__(self) -> tuple[object, ...]:
        raise RuntimeError("no room")


def test_what_is_written_is_read_back_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    content = {"state_dict": {"w": torch.arange(6.0).reshape(2, 3)}, "epoch": 4}
    AtomicCheckpointIO().save_checkpoint(content, path)
    back = AtomicCheckpointIO().load_checkpoint(path)
    assert back["epoch"] == 4
    assert torch.equal(back["state_dict"]["w"], content["state_dict"]["w"])  # type: ignore[index]
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_a_failure_leaves_the_old_checkpoint_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_whole({"epoch": 1}, path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="no room"):
        write_whole({"epoch": 2, "w": torch.zeros(1000), "bad": Unsaveable()}, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_place_that_cannot_be_written_is_the_users_to_change(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").mkdir()
    with pytest.raises(UserError, match=r"last\.ckpt.* choose another paths\.run_dir"):
        write_whole({"epoch": 1}, tmp_path / "last.ckpt")
    assert list((tmp_path / "last.ckpt").iterdir()) == []
