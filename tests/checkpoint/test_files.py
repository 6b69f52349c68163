"""Checkpoints stand whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from astrid_ml.checkpoint.digests import rebuilt
from astrid_ml.checkpoint.files import write_whole
from astrid_ml.checkpoint.lightning import AtomicCheckpointIO
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
    with pytest.raises(UserError, match=r"last\.ckpt.* move or remove that folder"):
        write_whole({"epoch": 1}, tmp_path / "last.ckpt")
    assert list((tmp_path / "last.ckpt").iterdir()) == []


def test_a_full_disk_is_said_as_one(tmp_path: Path) -> None:
    """A limit on the size of files stands for it."""
    code = (
        "import resource, signal, sys, torch; from pathlib import Path\n"
        "from astrid_ml.checkpoint.files import write_whole\n"
        "from astrid_ml.errors import UserError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    write_whole({'a': torch.zeros(10**6)}, Path(sys.argv[1]))\n"
        "except UserError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.ckpt")], capture_output=True, text=True)
    assert "room and the right to write a checkpoint" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_the_users_to_change(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="taken"):
        write_whole({"epoch": 1}, tmp_path / "taken" / "last.ckpt")


def test_the_same_content_has_the_same_bytes_whatever_is_one_object(tmp_path: Path) -> None:
    word = "network.weight"
    apart = {"state": {"".join(list(word)): torch.arange(9.0)}, "names": ["".join(list(word))], "kept": [[1.5], [1.5]]}
    row = [1.5]
    shared = {"state": {word: torch.arange(9.0)}, "names": [word], "kept": [row, row]}
    for number, content in enumerate((apart, shared)):
        write_whole(rebuilt(content), tmp_path / f"{number * 'long name'}.ckpt")
    one, two = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert one == two


def test_a_file_of_these_bytes_is_left_and_any_other_byte_is_made_good(tmp_path: Path) -> None:
    path, content = tmp_path / "a.ckpt", {"w": torch.zeros(3)}
    write_whole(content, path)
    stood, written = path.read_bytes(), path.stat().st_mtime_ns
    write_whole(content, path)
    assert path.stat().st_mtime_ns == written
    for place in range(0, len(stood), 97):  # some lie in what no reader looks at
        path.write_bytes(stood[:place] + bytes([stood[place] ^ 1]) + stood[place + 1 :])
        write_whole(content, path)
        assert path.read_bytes() == stood
