"""What is found below folders, and what each folder holds: broken ones cost themselves alone."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from made.runs import small_run, write

from astrid_ml.board.find import flat, is_run, look, read_run, signature, without_copies
from astrid_ml.board.table import board_of
from astrid_ml.errors import UserError
from astrid_ml.pipeline.lock import Lock


def test_runs_sweeps_and_matrices_are_found_at_any_depth_and_a_run_is_not_walked(tmp_path: Path) -> None:
    small_run(tmp_path / "a" / "run")
    small_run(tmp_path / "a" / "run" / "inside")
    small_run(tmp_path / "sweep" / "trials" / "0" / "run")
    small_run(tmp_path / ".hidden" / "run")
    small_run(tmp_path / "board" / "copied")
    (tmp_path / "board" / "board.json").write_text("{}")
    (tmp_path / "sweep" / "leaderboard.parquet").write_bytes(b"")
    (tmp_path / "matrix").mkdir()
    (tmp_path / "matrix" / "matrix.json").write_text("{}")
    crate = small_run(tmp_path / "zip") / "ro-crate-metadata.json"
    crate.write_text("{}")
    (tmp_path / "circle").symlink_to(tmp_path)
    found = look([tmp_path, tmp_path / "a"])
    assert [str(path.relative_to(tmp_path)) for path in found.runs] == ["a/run", "sweep/trials/0/run"]
    kinds = [(path.name, kind) for path, kind, _ in found.folders]
    assert kinds == [("matrix", "matrix"), ("sweep", "sweep"), ("zip", "bundle")]
    assert look([tmp_path / "a" / "run"]).runs == [tmp_path / "a" / "run"]


def test_prepared_data_are_passed_over_and_a_closed_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_run(tmp_path / "run")
    small_run(tmp_path / "data" / "within")
    (tmp_path / "data" / "dataset.json").write_text("{}")
    (tmp_path / "closed").mkdir()
    plain = os.scandir

    def scandir(place: str) -> Any:
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return plain(place)

    monkeypatch.setattr(os, "scandir", scandir)
    found = look([tmp_path])
    assert [path.name for path in found.runs] == ["run"]
    assert found.unread == [(tmp_path / "closed", "Permission denied")]
    assert board_of(found, [], None)["broken"][0]["reason"] == "it cannot be looked into: Permission denied"


def test_a_run_that_may_not_be_read_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small_run(tmp_path / "run")

    def closed(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", closed)
    assert (read_run(run).status, read_run(run).reason) == ("broken", "Permission denied")


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("file", "absent"):
        with pytest.raises(UserError, match="folders that exist"):
            look([tmp_path / name])


def test_a_finished_run_is_read(tmp_path: Path) -> None:
    run = read_run(small_run(tmp_path / "run", seed=3))
    assert (run.status, run.kind, run.reason) == ("done", "run", "")
    assert run.config["optimizer.lr"] == 0.001 and run.text("dataset", "domain") == "triplets"
    assert run.at("dataset", "domain", "deeper") is None and run.text("seeds") == ""
    assert run.key == read_run(tmp_path / "run").key and run.predictions.is_file()


DAMAGE = {
    "run.json": [b"", b"{", b"[1]", b"\xff\xfe", b'{"status": "odd"}', b"[" * 100_000],
    "metrics.json": [
        b"{",
        b"null",
        b"[]",
        b"\x00",
        b'{"val/aucpr": 7.5}',
        b'{"val/aucpr": -1e308}',
        b'{"test/aucpr_low": NaN}',
        b'{"val/aucpr": "0.9"}',
        b'{"val/aucpr": [0.9]}',
        b'{"val/aucpr": true}',
        b'{"val/aucpr": 0.5, "val/aucpr": 0.9}',
        b'{"val/leaf/macro_f1/64d": Infinity}',
    ],
    "predictions/test.parquet": [b"", b"PAR1", b"PAR1" + bytes(40)],
    "config.yaml": [b"a: [", b"- 1", b"", b"\xff\xff", b"a: !!python/object:os.system {}", b"[" * 5000],
}


@pytest.mark.parametrize(("name", "content"), [(name, c) for name, some in DAMAGE.items() for c in some])
def test_damage_is_the_reason_of_one_run(name: str, content: bytes, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run / name).write_bytes(content)
    found = read_run(run)
    assert found.status == "broken" and found.reason


@pytest.mark.parametrize("name", ["run.json", "metrics.json", "config.yaml"])
def test_a_file_that_is_gone_or_is_a_folder_is_the_reason(name: str, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run / name).unlink()
    assert read_run(run).status == "broken" and name in read_run(run).reason
    (run / name).mkdir()
    assert read_run(run).status == "broken"


def test_bytes_that_changed_never_end_the_look(tmp_path: Path) -> None:
    run, dice = small_run(tmp_path / "run"), random.Random(1)
    for name in DAMAGE:
        whole = (run / name).read_bytes()
        for _ in range(40):
            damaged = bytearray(whole)
            for _ in range(dice.randrange(1, 6)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            (run / name).write_bytes(bytes(damaged[: dice.randrange(1, len(damaged) + 1)]))
            assert read_run(run).status in ("done", "broken", "stopped", "failed", "running")
        (run / name).write_bytes(whole)


def test_a_run_on_its_way_one_that_was_killed_and_one_that_failed(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run / "metrics.json").unlink()
    record = json.loads((run / "run.json").read_text()) | {"status": "running"}
    (run / "run.json").write_text(json.dumps(record))
    with Lock(run / ".lock", "a run"):
        assert read_run(run).status == "running"
    assert (read_run(run).status, read_run(run).reason) == ("stopped", "it ended before it could say why")
    (run / "run.json").write_text(json.dumps(record | {"status": "failed", "reason": "ValueError: <b>"}))
    assert (read_run(run).status, read_run(run).reason) == ("failed", "ValueError: <b>")
    (run / "run.json").unlink()
    assert not is_run(run, {"config.yaml"}, []) and is_run(run, {"config.yaml"}, ["checkpoints"])


def test_an_evaluation_takes_the_configuration_of_the_run_that_it_judged(tmp_path: Path) -> None:
    run, place = small_run(tmp_path / "run"), tmp_path / "evaluation"
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "best.ckpt").write_bytes(b"")
    write(place, {"status": "done", "checkpoint": {"path": "elsewhere.ckpt"}}, {"test/aucpr": 0.5}, {})
    (place / "config.yaml").unlink()
    assert read_run(place).config == {} and read_run(place).kind == "evaluation"
    settings = {"ckpt_path": str(run / "checkpoints" / "best.ckpt")}
    (place / "made_by.json").write_text(json.dumps({"verb": "evaluate", "settings": settings}))
    assert read_run(place).config["optimizer.lr"] == 0.001


def test_a_signature_changes_with_any_file_of_the_run(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    before = signature(run)
    assert signature(run) == before
    os.utime(run / "metrics.json", (1, 1))
    assert signature(run) != before


def test_dotted_names_have_a_bottom() -> None:
    assert flat({"a": {"b": 1, "c": []}, "d": {}}) == {"a.b": 1, "a.c": [], "d": {}}
    deep = yaml.safe_load("{a: " * 60 + "1" + "}" * 60)
    with pytest.raises(ValueError, match="too deeply"):
        flat(deep)


def test_shares_that_are_absent_for_a_reason_are_no_damage(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    metrics = {"val/aucpr": None, "val/aucpr/why": "one class", "val/aucpr_minus_baseline_trees": -0.2, "val/nll": 3.0}
    (run / "metrics.json").write_text(json.dumps(metrics | {"val/n": 40.0, "val/baseline_column_name": "snr"}))
    assert read_run(run).status == "done"


def test_a_copy_of_a_run_is_told_and_stands_nowhere_else(tmp_path: Path) -> None:
    stages = [{"name": "fit", "started": "2026-01-01T00:00:00"}]
    runs = [read_run(small_run(tmp_path / name, stages=stages)) for name in ("a", "b")]
    other = read_run(small_run(tmp_path / "c", seed=2, stages=stages))
    found = without_copies([*runs, other, read_run(small_run(tmp_path / "d", stages=[]))])
    assert [run.status for run in found] == ["done", "copy", "done", "done"]
    assert found[1].reason == f"the same run as {tmp_path / 'a'}"
