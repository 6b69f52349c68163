"""Folders of users: a name that no table can hold costs that file, whoever walks there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from astrid_ml.errors import UserError
from astrid_ml.walk import left_out, walk


def test_a_name_that_is_no_utf8_costs_that_file_and_is_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.avro").touch()
    for name in (b"\xff\xfe.avro", b"\xff-night/b.avro"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [path.name for path in walk(tmp_path)] == [path.name for path in walk([tmp_path])] == ["a.avro"]
    said = capsys.readouterr().err
    assert said.count("2 files of") == 1 and "\\udcff\\udcfe.avro" in said
    with pytest.raises(UserError, match=r"names are text in UTF-8; got .*udcff"):
        walk(path)


def test_what_commands_of_ours_note_beside_data_is_no_data(tmp_path: Path) -> None:
    for name in ("made_by.json", "simulated.json", "packets.json", ".lock", ".bringing.lock", "a.fits.lock"):
        (tmp_path / name).write_text("{}")
    assert [path.name for path in walk(tmp_path)] == ["packets.json"]


def test_the_report_of_a_conversion_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "report.json").touch()
    assert [path.name for path in walk(tmp_path)] == ["report.json"]
    (tmp_path / "made_by.json").write_text('{"verb": "convert"}')
    assert walk(tmp_path) == []


def test_results_that_an_earlier_command_left_below_are_no_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, verb in (("out", "predict"), ("stamps", "simulate"), ("odd", "[]")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.parquet").touch()
        (tmp_path / place / "made_by.json").write_text(f'{{"verb": "{verb}"}}' if verb != "[]" else verb)
    assert [str(path.relative_to(tmp_path)) for path in walk(tmp_path)] == ["odd/a.parquet", "stamps/a.parquet"]
    assert "results of astrid predict" in capsys.readouterr().err
    assert [path.name for path in walk(tmp_path / "out")] == ["a.parquet"]


def test_what_a_walk_leaves_out_is_known_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "a.avro").touch()
    os.mkfifo(tmp_path / "night" / "pipe.avro")
    (tmp_path / "night" / "lost.avro").symlink_to("nowhere")
    odd = os.fsencode(tmp_path / "night") + b"/bad\xff.avro"
    with contextlib.suppress(OSError):  # a file system that takes no such names
        os.close(os.open(odd, os.O_CREAT))
    walk(tmp_path)
    found = left_out([tmp_path])
    expected = {
        "night/bad\\udcff.avro": "a name that is no text in UTF-8",
        "night/lost.avro": "a link to nothing, which is no file",
        "night/pipe.avro": "a FIFO, which is no file",
    }
    assert found == {name: why for name, why in expected.items() if "bad" not in name or os.path.lexists(odd)}
    (tmp_path / "night" / "pipe.avro").unlink()
    walk(tmp_path)
    assert "night/pipe.avro" not in left_out([tmp_path]) and left_out([tmp_path / "night"]) == {}
