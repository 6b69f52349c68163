"""A command's finished pieces are found again; shards share a folder, and what they could not do is known."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from astrid_ml.contracts.check import ContractError
from astrid_ml.contracts.pipeline import Drop
from astrid_ml.errors import UserError
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.pipeline.parts import Part, do_parts, in_short
from astrid_ml.pipeline.shards import Share, failed_of_shares, note_share, refuse_unfinished, share_of


def copy(item: tuple[Path, Path]) -> tuple[dict[str, Any], list[Path]]:
    """Write a file's text in capitals; some texts are bad."""
    source, target = item
    text = source.read_text()
    if text == "bad":
        raise ValueError("a bad text")
    if text == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if text == "contract":
        raise ContractError("one thing", "another", "fix it")
    target.write_text(text.upper())
    return {"letters": len(text), "ratio": float("nan"), "target": target.name}, [target]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    for number in range(5):
        (tmp_path / "raw" / f"{number}.txt").write_text(f"text {number}")
    (tmp_path / "out").mkdir()
    return tmp_path


def parts_of(folder: Path) -> list[Part]:
    files = sorted((folder / "raw").glob("*.txt"))
    return [Part(path.name, (path, folder / "out" / path.name), (path,)) for path in files]


def run(folder: Path, share: Share | None = None, settings: Any = 1, executor: Any = None) -> Any:
    executor = executor or Serial()
    return do_parts(copy, parts_of(folder), folder / "out", settings=settings, executor=executor, share=share)


@pytest.mark.parametrize("executor", [Serial(), Serial(Limits()), Processes(2)], ids=["here", "guarded", "processes"])
def test_what_is_done_is_not_done_again(folder: Path, executor: Any) -> None:
    first = run(folder, executor=executor)
    assert [result["letters"] for result in first] == [6] * 5 and first[0]["ratio"] is None
    made = {path.name: path.stat().st_mtime_ns for path in (folder / "out").glob("*.txt")}
    assert run(folder) == first
    assert made == {path.name: path.stat().st_mtime_ns for path in (folder / "out").glob("*.txt")}


def test_a_new_file_changed_settings_a_lost_or_cut_product_are_done(folder: Path) -> None:
    run(folder)
    out = folder / "out"
    (folder / "raw" / "1.txt").write_text("longer text")
    (out / "2.txt").unlink()
    (out / "3.txt").write_text("")
    (out / "parts").joinpath(next((out / "parts").iterdir()).name).write_text("{")
    assert [result["letters"] for result in run(folder)] == [6, 11, 6, 6, 6]
    assert (out / "2.txt").read_text() == "TEXT 2" and (out / "3.txt").read_text() == "TEXT 3"
    count = len(list((out / "parts").iterdir()))
    run(folder, settings=2)
    assert len(list((out / "parts").iterdir())) == count == 5  # notes of other settings do not stay


def keep(item: tuple[Path, Path]) -> tuple[dict[str, Any], list[Path]]:
    """Write a file's text into a file beside the notes."""
    source, target = item
    target.write_text(source.read_text().upper())
    return {"letters": len(source.read_text()), "name": source.name}, [target]


def test_damage_that_leaves_the_size_is_found_and_done_again(folder: Path) -> None:
    out, files = folder / "out", sorted((folder / "raw").glob("*.txt"))
    parts = [Part(path.name, (path, out / "parts" / path.name), (path,)) for path in files]

    def run_kept(share: Share | None = None) -> Any:
        return do_parts(keep, parts, out, settings=1, executor=Serial(), share=share)

    first = run_kept()
    notes = {json.loads(path.read_text())["name"]: path for path in (out / "parts").glob("*.json")}
    kept = {path.name: path.read_bytes() for path in (out / "parts").glob("*.txt")}
    (out / "parts" / "1.txt").write_bytes(kept["1.txt"][:-1] + b"?")
    notes["3.txt"].write_text(notes["3.txt"].read_text().replace('"letters": 6', '"letters": 7'))
    note_share(out, Share(1, 2), [])
    with pytest.raises(UserError, match=r"2 of 5 pieces .*1\.txt") as refused:
        run_kept(share_of("join"))
    assert "shard=2/2" in refused.value.fix and "shard=1/2" not in refused.value.fix
    times = {path: path.stat().st_mtime_ns for path in (out / "parts").glob("*.txt")}
    assert run_kept(Share(2, 2)) is None
    assert sorted(path.name for path, time in times.items() if path.stat().st_mtime_ns != time) == ["1.txt", "3.txt"]
    assert run_kept(share_of("join")) == run_kept() == first
    assert kept == {path.name: path.read_bytes() for path in (out / "parts").glob("*.txt")}


@dataclass(frozen=True)
class AtOnce:
    """Work during which the same command, started once more, does everything; then ``ends`` as it would alone."""

    folder: Path
    ends: bool

    def __call__(self, item: tuple[Path, Path]) -> tuple[dict[str, Any], list[Path]]:
        flag = self.folder / "begun"
        if not flag.exists():
            flag.touch()
            do_parts(self, parts_of(self.folder), self.folder / "out", settings=1, executor=Serial(), share=Share(1, 1))
            if not self.ends:
                raise FileNotFoundError(errno.ENOENT, "the other one has removed it")
        return copy(item)


@pytest.mark.parametrize("ends", [True, False])
def test_a_shard_that_is_started_twice_at_once_is_done_once(folder: Path, ends: bool) -> None:
    settings: dict[str, Any] = {"settings": 1, "executor": Serial()}
    parts = parts_of(folder)
    assert do_parts(AtOnce(folder, ends), parts, folder / "out", **settings, share=Share(1, 1)) is None
    assert failed_of_shares(folder / "out") == {}
    assert do_parts(AtOnce(folder, ends), parts, folder / "out", **settings, share=share_of("join")) == run(folder)


def test_a_note_of_an_earlier_version_counts(folder: Path) -> None:
    first = run(folder)
    for path in (folder / "out" / "parts").glob("*.json"):
        note = json.loads(path.read_text())
        path.write_text(json.dumps({name: note[name] for name in ("name", "files", "result")}))
    times = {path: path.stat().st_mtime_ns for path in (folder / "out").glob("*.txt")}
    assert run(folder) == first and all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_bad_piece_costs_itself_and_is_tried_again(folder: Path) -> None:
    (folder / "raw" / "3.txt").write_text("bad")
    results = run(folder)
    assert in_short(results[3]) == "a bad text" and results[4]["letters"] == 6
    (folder / "raw" / "3.txt").write_text("fin")
    assert run(folder)[3]["letters"] == 3


def test_the_machine_and_a_broken_contract_stop_all(folder: Path) -> None:
    (folder / "raw" / "3.txt").write_text("full")
    with pytest.raises(UserError, match="room on the disk"):
        run(folder)
    (folder / "raw" / "0.txt").write_text("contract")
    (folder / "raw" / "3.txt").write_text("text 3")
    for path in (folder / "out" / "parts").iterdir():
        path.unlink()
    with pytest.raises(ContractError):
        run(folder)


def test_shards_in_any_order_and_twice_give_the_whole(folder: Path, tmp_path: Path) -> None:
    whole = run(folder)
    for path in (folder / "out" / "parts").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="all shards to be done") as caught:
        run(folder, share_of("join"))
    assert "5 of 5 pieces of work are missing" in caught.value.got
    for text in ("3/3", "1/3", "3/3"):
        assert run(folder, share_of(text)) is None
    with pytest.raises(UserError, match="shard=2/3"):
        run(folder, share_of("join"))
    run(folder, share_of("2/3"))
    assert run(folder, share_of("join")) == whole


def test_what_a_shard_could_not_do_is_joined_as_failed_until_it_is_done(folder: Path) -> None:
    (folder / "raw" / "3.txt").write_text("bad")
    for text in ("1/2", "2/2"):
        run(folder, share_of(text))
    joined = run(folder, share_of("join"))
    assert in_short(joined[3]) == "a bad text" and joined[2]["letters"] == 6
    (folder / "raw" / "3.txt").write_text("well")
    run(folder, share_of("2/2"))
    assert run(folder, share_of("join"))[3]["letters"] == 4


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "a", "1", "-1/2", "1/2/3", "", "1.5/2", "99999999/99999999"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="shard: i/n"):
        share_of(text)


def test_damaged_notes_are_told_and_sound_ones_are_joined(tmp_path: Path) -> None:
    note_share(tmp_path, Share(1, 2), [Drop("a", "why")])
    note_share(tmp_path, Share(2, 2), [])
    assert failed_of_shares(tmp_path) == {"a": "why"}
    refuse_unfinished(["a", "b"], ["b"], {"a": "why"}, tmp_path)
    (tmp_path / "shards" / "2-of-2.json").write_text('{"failed": 3}')
    with pytest.raises(UserError, match="run that shard again"):
        failed_of_shares(tmp_path)
    assert [str(Share(2, 4)), str(Share(0, 0)), Share(0, 0).takes(0)] == ["2/4", "join", False]


def test_nothing_is_written_or_removed_behind_a_link(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    kept = folder / "elsewhere" / f"{'0' * 24}.json"
    kept.write_text("{}")
    (folder / "out" / "parts").symlink_to("../elsewhere")
    with pytest.raises(UserError, match="a link"):
        run(folder)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    (folder / "out" / "parts").unlink()
    (folder / "out" / "shards").symlink_to("../elsewhere")
    with pytest.raises(UserError, match="shards in the folder of the results"):
        run(folder, Share(1, 2))
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
