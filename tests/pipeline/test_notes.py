"""What stands in place of our own notes is never waited for: a pipe, a folder, a device, a circle of links."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_units import ToyUnits

from astrid_ml.cli.outputs import RECORD, _read
from astrid_ml.cli.shards import read_command
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.executors.local import Serial
from astrid_ml.executors.within import within_time
from astrid_ml.files import discard, read_note, write_json
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.pipeline.parts import PARTS, Part, do_parts
from astrid_ml.pipeline.shards import SHARDS, failed_of_shares
from astrid_ml.splits.sealed import OPENINGS, Seal
from astrid_ml.walk import walk


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def circle(path: Path) -> None:
    path.symlink_to(path)


STRANGE: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "device": device,
    "circle": circle,
}


@pytest.fixture(params=STRANGE)
def strange(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    """Puts something else in the place of a note."""

    def put(path: Path) -> object:
        path.unlink(missing_ok=True)
        return STRANGE[request.param](path)

    return put


def test_a_note_is_a_file_or_nothing(strange: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_note(tmp_path / "a.json")
    strange(tmp_path / "a.json")
    with within_time(5.0), pytest.raises(ValueError, match="no file"):
        read_note(tmp_path / "a.json")


def work(given: tuple[Path, str]) -> tuple[dict[str, Any], list[Path]]:
    return {"said": given[1]}, []


def test_notes_of_pieces_are_made_again(strange: Callable[[Path], object], tmp_path: Path) -> None:
    pieces = [Part(name, (tmp_path, name)) for name in "ab"]

    def done() -> Any:
        with within_time(10.0):
            return do_parts(work, pieces, tmp_path, settings=1, executor=Serial(), progress=False)

    done()
    for path in sorted((tmp_path / PARTS).iterdir())[:1]:
        strange(path)
    strange(tmp_path / PARTS / f"{'0' * 24}.json")  # of other settings: it goes
    assert done() == [{"said": "a"}, {"said": "b"}]
    assert len(list((tmp_path / PARTS).iterdir())) == 2


def test_notes_of_units_are_made_again(strange: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for number in range(3):
        (tmp_path / "raw" / f"{number}.txt").write_text(str(number))
    done = prepare_dataset(ToyUnits(), [tmp_path / "raw"], tmp_path / "store", name="toy", progress=False)
    for path in list(tmp_path.glob("store/units/*/unit.json"))[:1]:
        strange(path)
    strange(done.path / "digests.json")
    with within_time(20.0):
        with pytest.raises(UserError, match=r"digests\.json"):
            PreparedDataset(done.path)
        again = prepare_dataset(ToyUnits(), [tmp_path / "raw"], tmp_path / "store", name="toy", progress=False)
    assert (again.units_done, again.units_reused) == (1, 2) and len(PreparedDataset(again.path).index) == 18
    strange(done.path / "dataset.json")
    with within_time(5.0), pytest.raises(UserError, match=r"dataset\.json"):
        PreparedDataset(done.path)


def test_other_notes_are_refused_or_not_known(strange: Callable[[Path], object], tmp_path: Path) -> None:
    for name in (RECORD, f"{SHARDS}/1-of-2.json", f"{SHARDS}/command-x.json", f"made-splits/{OPENINGS}/0.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        strange(tmp_path / name)
    with within_time(10.0):
        assert _read(tmp_path / RECORD) is None
        with pytest.raises(UserError, match="run that shard again"):
            failed_of_shares(tmp_path)
        with pytest.raises(UserError, match="run one of the shards again"):
            read_command(tmp_path / SHARDS / "command-x.json")
        with pytest.raises(UserError, match="one damaged: no file"):
            _ = Seal(tmp_path / "made").openings
        discard(tmp_path / SHARDS)
        discard(tmp_path / "made-splits")
        assert walk([tmp_path]) == []


def test_a_note_cannot_be_written_where_a_folder_stands(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(UserError, match=r"a place for the file a\.json; got a folder at"):
        write_json(tmp_path / "a.json", {})
