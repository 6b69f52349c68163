"""``shard=i/n`` and ``astrid publish`` as typed: one command for all shards, its result as if it had run whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from astrid_ml.cli.main import run
from astrid_ml.cli.shards import command, joined, published, read_command
from astrid_ml.errors import UserError
from astrid_ml.files import write_json
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    SimulateTriplets(n=18, missions=("ztf", "ps1", "swift"), prevalence=0.5).run(tmp_path / "raw", seed=1)
    return tmp_path


PREPARE = ("prepare", "experiment=realbogus_triplets", "paths.raw=raw", "executor.limits=null")


def bytes_of(store: Path) -> dict[str, bytes]:
    [folder] = (path.parent for path in store.glob("*/dataset.json"))
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "report.json")
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def test_shards_are_published_as_one_command_would_have_done(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*PREPARE, "paths.data=whole"]) == 0
    assert run([*PREPARE, "paths.data=store", "shard=1/2"]) == 0
    assert "astrid publish input=store" in capsys.readouterr().out
    assert run(["publish", "input=store"]) == 2
    assert "run shard=2/2 again, then astrid publish" in capsys.readouterr().err
    assert run([*PREPARE, "paths.data=store", "shard=2/3"]) == 2
    assert "shard=2/3 in store, which was begun with shard=i/2" in " ".join(capsys.readouterr().err.split())
    assert run([*PREPARE, "paths.data=store", "shard=2/2", "data.seed=7"]) == 2
    assert "data.seed: 1 -> 7" in capsys.readouterr().err
    assert run([*PREPARE, "paths.data=store", "shard=2/2", "trainer.max_epochs=7"]) == 0  # of no dataset
    assert run(["publish", "input=store"]) == 0
    assert bytes_of(place / "store") == bytes_of(place / "whole")
    assert not (place / "store" / "shards").exists()
    capsys.readouterr()
    for words in ([], ["which=realbogus_triplets"]):
        assert run(["publish", "input=store", *words]) == 0
        assert "already published: store/realbogus_triplets-" in capsys.readouterr().out
    assert run(["publish", "input=store", "which=other"]) == 2


def test_shards_are_of_one_command_whoever_works(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["simulate", "what=lightcurves", "simulate.n=24", "output_dir=curves"]
    assert run(typed) == 0
    convert = ["convert", "input=curves", "output_dir=out"]
    assert run([*convert, "shard=1/2", "executor=serial"]) == 0, capsys.readouterr().err
    more = ["executor=processes", "executor.workers=1", "executor.limits.retries=1", "executor.limits.seconds=99"]
    assert run([*convert, "shard=2/2", *more]) == 0, capsys.readouterr().err
    assert run([*convert, "shard=2/2", "row_group=7"]) == 2
    capsys.readouterr()
    assert run(["publish", "input=out", "which=covert"]) == 2
    assert "did you mean convert?" in capsys.readouterr().err
    assert run(["publish", "input=out"]) == 0, capsys.readouterr().err
    assert run(["publish", "input=out"]) == 0
    assert "already published: out" in capsys.readouterr().out
    assert run([*convert, "executor=serial"]) == 0, capsys.readouterr().err
    assert published(place / "out") == []  # as one command made it


def test_results_in_one_store_are_published_one_by_one(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that begins as another does is another; what no shard made was not published."""
    for name in ("a", "a-b", "c"):
        words = [] if name == "c" else ["shard=1/1"]
        assert run([*PREPARE, "paths.data=store", f"name={name}", *words]) == 0, capsys.readouterr().err
    assert run(["publish", "input=store", "which=c"]) == 2
    assert run(["publish", "input=store", "which=a"]) == 0, capsys.readouterr().err
    assert [path.stem for path in (place / "store" / "shards").glob("command-*.json")] == ["command-a-b"]
    assert [path.name[:4] for path in (place / "store" / "shards").iterdir() if path.is_dir()] == ["a-b-"]
    capsys.readouterr()
    assert run(["publish", "input=store", "which=a"]) == 0
    assert capsys.readouterr().out.startswith("already published: store/a-")
    assert [path.name[:2] for path in published(place / "store")] == ["a-"]
    assert run(["publish", "input=store", "which=a-b"]) == 0, capsys.readouterr().err
    assert not (place / "store" / "shards").exists()
    assert [path.name[:-12] for path in published(place / "store", "a")] == ["a-"]
    assert run([*PREPARE, "paths.data=store", "name=c"]) == 0  # latest.json names what no shard made
    capsys.readouterr()
    assert run(["publish", "input=store"]) == 0
    assert "store/c-" not in capsys.readouterr().out
    assert run(["publish", "input=store", "which=c"]) == 2


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_store_that_was_moved_or_copied_is_published_where_it_is(
    place: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shards run in a container at one path and are published on a host at another."""
    assert run([*PREPARE, "paths.data=whole"]) == 0
    assert run([*PREPARE, "paths.data=store", "shard=1/1"]) == 0
    if how == "moved":
        (place / "store").rename(place / "there")
    else:
        shutil.copytree(place / "store", place / "there")
        before = bytes_below(place / "store")
    assert run(["publish", "input=there"]) == 0, capsys.readouterr().err
    assert bytes_of(place / "there") == bytes_of(place / "whole")
    assert not (place / "there" / "shards").exists()
    if how == "copied":  # the original is as it was, and can be published too
        assert bytes_below(place / "store") == before
        assert run(["publish", "input=store"]) == 0


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shard", ["5/2", "a/b", "0/1", "0/2", "[1,2]"])
def test_a_share_that_is_none_is_refused_before_anything_is_made(place: Path, shard: str) -> None:
    assert run([*PREPARE, "paths.data=store", f"shard={shard}"]) == 2
    assert not (place / "store").exists()


def test_publish_says_what_it_needs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["input=nowhere"], "nothing at nowhere"),
        (["input=raw"], "that commands with shard=i/n have filled"),
    ):
        assert run(["publish", *words]) == 2
        assert said in capsys.readouterr().err
    shards = place / "out" / "shards"
    shards.mkdir(parents=True)
    (shards / "command-a.json").write_text("{")
    with pytest.raises(UserError, match="run one of the shards again"):
        read_command(shards / "command-a.json")
    (shards / "command-b.json").write_text("{}")
    assert run(["publish", "input=out"]) == 2
    assert "which=NAME" in capsys.readouterr().err
    write_json(shards / "command-b.json", {"verb": "publish", "settings": {}, "config": {}})
    with pytest.raises(UserError, match="shards of a verb of this version"):
        command({"input": "out", "which": "b", "trust": []})


def test_what_shards_kept_is_neither_trusted_nor_resolved(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*PREPARE, "paths.data=store", "shard=1/1"]) == 0
    path = place / "store" / "shards" / "command-realbogus_triplets.json"
    kept = json.loads(path.read_text())
    assert "trust" not in kept["config"] and kept["config"]["paths"]["raw"] == str(place / "raw")
    kept["config"] |= {"trust": ["os.system"], "label": {"_target_": "os.system", "command": "touch stolen"}}
    path.write_text(json.dumps(kept))
    assert run(["publish", "input=store"]) == 2
    assert "os.system" in capsys.readouterr().err and not (place / "stolen").exists()
    assert joined({"a": {"shard": "1/2", "trust": [1]}, "b": "${oc.env:HOME}"}, []) == {
        "a": {"shard": "join"},
        "b": "${oc.env:HOME}",
        "trust": [],
    }
