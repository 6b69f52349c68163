"""``astrid fsck``: what is sound passes, what is damaged has one line, and ``fix=true`` lets it be made again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from made.untrained import WORDS, Untrained, untrained

from astrid_ml.build import plain
from astrid_ml.commands.fsck import FsckCommand
from astrid_ml.config import compose
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.files import ASIDE
from astrid_ml.pipeline.lock import Lock
from astrid_ml.pipeline.sound import left_over, unit_damage, units_behind, units_of
from astrid_ml.run.prepare import prepare
from astrid_ml.temporaries import this_host


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("fsck"))


@pytest.fixture
def store(made: Untrained, tmp_path: Path) -> Path:
    """A store of its own for each test; hard links between units and datasets are kept, as ``cp -a`` keeps them."""
    target = tmp_path / "store"
    subprocess.run(["cp", "-a", str(made.dataset.path.parent), str(target)], check=True)
    return target


def dataset_in(store: Path) -> Path:
    [found] = [path.parent for path in store.glob("*/dataset.json")]
    return found


def flipped(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    with path.open("r+b") as stream:  # the same inode: as a disk damages it
        stream.write(content)


def prepared_again(store: Path) -> PreparedDataset:
    words = [*WORDS, f'paths.data="{store}"', f'paths.run_dir="{store.parent}/run"']
    return prepare(plain(compose("train", words)), progress=False)[0]


def pixels(dataset: PreparedDataset) -> bytes:
    return dataset.gather("stamps", np.arange(len(dataset.index))).tobytes()


def test_a_sound_store_and_a_checkpoint_pass(made: Untrained, store: Path) -> None:
    found = FsckCommand(str(store)).run()
    assert (found["damaged"], found["failed"]) == (0, 0) and found["checked"] == 1
    assert FsckCommand(str(made.checkpoint)).run()["failed"] == 0


def test_a_bit_that_turned_is_named_and_made_again_from_its_unit_on(made: Untrained, store: Path) -> None:
    folder, expected = dataset_in(store), pixels(made.dataset)
    array = max((folder / "arrays").glob("*.stamps.npy"), key=lambda path: path.stat().st_size)
    flipped(array)
    found = FsckCommand(str(store)).run()
    lines = [f"{name}: {reason}" for name, reason in found.items() if "another content" in str(reason)]
    assert found["failed"] == len(lines) == 2  # the dataset, and the unit whose file it is
    assert any(str(array) in line for line in lines)

    fixed = FsckCommand(str(store), fix=True).run()
    assert not folder.exists() and (store / ASIDE / folder.name / "dataset.json").is_file()
    assert [name for name in fixed if name.startswith("moved ")]
    again = prepared_again(store)
    assert again.path.name == folder.name and pixels(again) == expected
    assert FsckCommand(str(store)).run()["failed"] == 0


def test_a_dataset_alone_takes_the_unit_behind_its_damage_with_it(store: Path) -> None:
    folder = dataset_in(store)
    array = next((folder / "arrays").glob("*.npy"))
    flipped(array)
    [unit] = units_behind(store, [array])
    assert unit_damage(unit) is not None
    FsckCommand(str(folder), fix=True).run()
    assert not unit.exists() and (unit.parent / ASIDE / unit.name).is_dir() and not folder.exists()
    assert FsckCommand(str(store)).run()["failed"] == 1  # latest.json names what is aside
    FsckCommand(str(store), fix=True).run()
    assert FsckCommand(str(store)).run()["failed"] == 0


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a unit without its record": lambda store: (units_of(store)[0] / "unit.json").unlink(),
    "a unit's record that is cut": lambda store: (units_of(store)[0] / "unit.json").write_text('{"id"'),
    "records of a unit": lambda store: flipped(units_of(store)[0] / "records.parquet", 40),
    "an array of a unit that is gone": lambda store: next(units_of(store)[0].glob("*.npy")).unlink(),
    "a pointer to nothing": lambda store: (store / "latest.json").write_text('{"dataset": "x"}'),
    "a pointer that is none": lambda store: (store / "latest.json").write_text("[]"),
    "an index": lambda store: flipped(dataset_in(store) / "index.parquet", 40),
    "a record of a dataset": lambda store: (dataset_in(store) / "dataset.json").write_text("{}"),
    "no digests": lambda store: (dataset_in(store) / "digests.json").unlink(),
    "a file too many": lambda store: (dataset_in(store) / "arrays" / "x.npy").write_bytes(b"x"),
    "a Croissant file that is cut": lambda store: (dataset_in(store) / "croissant.json").write_text("{"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_of_a_store_has_one_line_and_can_be_fixed(name: str, store: Path) -> None:
    DAMAGE[name](store)
    found = FsckCommand(str(store), fix=True).run()
    assert found["damaged"] == 1 and found["failed"] == ("Croissant" in name)  # what was fixed is no failure
    if "Croissant" not in name:  # that one says the command which writes it anew
        assert [key for key in found if key.startswith("moved ")]
        again = FsckCommand(str(store), fix=True).run()  # a pointer to what was moved aside
        assert again["failed"] == 0 and FsckCommand(str(store)).run()["failed"] == 0


def test_what_killed_processes_left_is_listed_and_removed(store: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here, away = f"part-{this_host()}-{gone.pid}-0", "part-00000000-1-0"
    for name in (f".a.{here}.json", f".a.{away}.json"):
        (store / name).write_text("half")
    (store / "units" / f".u.{here}").mkdir()
    assert {path.name for path in left_over(store)} == {f".a.{here}.json", f".u.{here}"}
    found = FsckCommand(str(store)).run()
    assert found["failed"] == 0 and len([name for name in found if name.startswith("left over ")]) == 2
    FsckCommand(str(store), fix=True).run()
    assert left_over(store) == [] and (store / f".a.{away}.json").is_file()


def test_a_store_in_use_is_looked_at_and_not_fixed(store: Path) -> None:
    (units_of(store)[0] / "unit.json").unlink()
    with Lock(store / "locks" / "f.lock", "the dataset f"):
        assert FsckCommand(str(store)).run()["failed"] == 1
        with pytest.raises(UserError, match="a store that nobody is at work in"):
            FsckCommand(str(store), fix=True).run()
        assert units_of(store)[0].is_dir()


def test_a_checkpoint_that_is_cut_or_changed_is_named(made: Untrained, tmp_path: Path) -> None:
    content = made.checkpoint.read_bytes()
    (tmp_path / "best.ckpt").write_bytes(content[:-100])
    (tmp_path / "last.ckpt").write_bytes(content[:2000])
    (tmp_path / "sound.ckpt").write_bytes(content)
    found = FsckCommand(str(tmp_path)).run()
    assert (found["checked"], found["failed"]) == (3, 2)


def test_fits_files_are_compared_with_their_checksums(tmp_path: Path) -> None:
    for name in ("good", "bad", "cut", "plain"):
        fits.PrimaryHDU(np.arange(4000, dtype=np.int32)).writeto(tmp_path / f"{name}.fits", checksum=name != "plain")
    flipped(tmp_path / "bad.fits", 2880 + 100)
    (tmp_path / "cut.fits").write_bytes((tmp_path / "cut.fits").read_bytes()[:9000])
    found = FsckCommand(str(tmp_path)).run()
    text = json.dumps(found)
    assert found["checked"] == 4 and "bad.fits" in text and "cut.fits" in text
    assert "good.fits" not in text and "plain.fits" not in text
    fixed = FsckCommand(str(tmp_path), fix=True).run()
    assert (tmp_path / "bad.fits").is_file() and any(name.startswith("not fixed ") for name in fixed)


def test_a_run_is_checked_by_its_files(made: Untrained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    shutil.copy(made.checkpoint, run / "checkpoints" / "best.ckpt")
    (run / "run.json").write_text(json.dumps({"stages": [{"name": "train", "status": "done"}]}))
    found = FsckCommand(str(run)).run()
    assert found["failed"] == 2 and "metrics.json" in json.dumps(found) and "config.yaml" in json.dumps(found)
    (run / "config.yaml").write_text("a: 1\n")
    (run / "metrics.json").write_text('{"a": ')
    found = FsckCommand(str(run), fix=True).run()
    assert (found["damaged"], found["failed"]) == (1, 0) and (run / ASIDE / "metrics.json").is_file()


def test_what_is_neither_a_file_nor_a_folder_is_a_mistake(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for place in (tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(UserError, match="a device, pipe or socket"):
            FsckCommand(str(place)).run()


def test_nothing_to_check_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="input=PATH that exists"):
        FsckCommand(str(tmp_path / "nothing")).run()
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UserError, match="something that astrid fsck knows"):
        FsckCommand(str(tmp_path)).run()


@pytest.mark.slow
def test_exit_codes(made: Untrained, tmp_path: Path) -> None:
    (tmp_path / "bad.ckpt").write_bytes(made.checkpoint.read_bytes()[:999])
    line = [sys.executable, "-m", "astrid_ml", "fsck"]
    ended = {
        word: subprocess.run([*line, f"input={word}"], capture_output=True, text=True, check=False, cwd=tmp_path)
        for word in (str(made.checkpoint), "bad.ckpt", "nothing")
    }
    assert [run.returncode for run in ended.values()] == [0, 1, 2]
    assert "bad.ckpt" in ended["bad.ckpt"].stdout and "Traceback" not in "".join(r.stderr for r in ended.values())
