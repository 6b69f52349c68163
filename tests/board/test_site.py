"""The site as files: data that are text alone, one look that reads what is new, a server for this machine alone."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin

import pytest
from made.runs import small_run

from astrid_ml.board import library as of_library
from astrid_ml.board import site as of_site
from astrid_ml.board.commands.board import BoardCommand
from astrid_ml.board.find import Run, read_run
from astrid_ml.board.serve import Server, watch
from astrid_ml.board.site import Known, Site, matrix_of, script, state, write_site
from astrid_ml.cli.main import run
from astrid_ml.errors import UserError

NASTY = "</script><img src=x onerror=alert(1)>\u2028&\x1b[31m"


def handed(path: Path) -> Any:
    """What a script of data hands over."""
    found = re.fullmatch(r"astridBoard\.put\((\"[^\"]*\"),(.*)\);\n", path.read_text())
    assert found
    return json.loads(found[2])


@pytest.fixture
def built(tmp_path: Path) -> Site:
    for seed in (1, 2):
        small_run(tmp_path / "runs" / f"seed{seed}", seed=seed, lr=0.001 * seed)
    site = Site([str(tmp_path / "runs")], tmp_path / "site")
    of_site.open_folder(site.folder)
    return site


def test_the_site_holds_a_row_a_run_and_what_each_shows_when_chosen(built: Site) -> None:
    told = write_site(built, Known())
    assert told["runs"] == "2 done"
    board = handed(built.folder / "data" / "board.js")
    assert [row["rank"] for row in board["runs"]] == [2, 1]
    assert len(board["pairs"]["0-A"]["differences"]) == 1
    for row in board["runs"]:
        detail = handed(built.folder / "data" / "runs" / f"{row['id']}.js")
        assert detail["config"]["seed"] == row["seed"] and set(detail["curves"]) == {"pr", "roc", "reliability"}
        report = built.folder / row["report"]
        assert report.samefile(Path(row["path"]) / "report.html")
    assert len(handed(built.folder / "data" / "pairs" / "0-A.js")["disagreed"]) == 20
    assert json.loads((built.folder / "board.json").read_text())["runs"] == {"done": 2}
    assert "vegaEmbed" in (built.folder / "vega.js").read_text()


def test_whatever_a_name_holds_is_text(built: Site) -> None:
    small_run(Path(built.places[0]) / "<b>&amp;", name=NASTY, dataset={"path": NASTY, "fingerprint": NASTY})
    write_site(built, Known())
    text = (built.folder / "data" / "board.js").read_text()
    assert not re.search(r"[<>&\u2028]", text)
    assert NASTY in {row["name"] for row in handed(built.folder / "data" / "board.js")["runs"]}
    assert script("a", {"x": float("nan")}) == 'astridBoard.put("a",{"x":null});\n'


def test_a_broken_folder_among_many_costs_itself_alone(built: Site) -> None:
    broken = small_run(Path(built.places[0]) / "broken")
    (broken / "metrics.json").write_text("{")
    assert write_site(built, Known())["runs"] == "2 done, 1 broken"
    [told] = handed(built.folder / "data" / "board.js")["broken"]
    assert told["name"] == "broken" and told["reason"].startswith("metrics.json")


def test_a_second_look_reads_and_writes_what_has_changed(built: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    known, read = Known(), list[str]()
    write_site(built, known)
    before = state(built.places)
    stamp = handed(built.folder / "data" / "stamp.js")
    untouched = {path: path.stat().st_mtime_ns for path in (built.folder / "data" / "runs").iterdir()}

    def counted(path: Path) -> Run:
        read.append(path.name)
        return read_run(path)

    monkeypatch.setattr(of_site, "read_run", counted)
    write_site(built, known)
    assert read == [] and state(built.places) == before and handed(built.folder / "data" / "stamp.js") == stamp
    small_run(Path(built.places[0]) / "new", seed=5)
    assert state(built.places) != before
    write_site(built, known)
    assert read == ["new"] and handed(built.folder / "data" / "stamp.js") != stamp
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched
    shutil.rmtree(Path(built.places[0]) / "new")
    write_site(built, known)
    assert {path.name for path in (built.folder / "data" / "runs").iterdir()} == {path.name for path in untouched}
    assert len(list((built.folder / "reports").iterdir())) == 2


def test_a_report_that_was_written_again_is_linked_again(built: Site) -> None:
    write_site(built, Known())
    report = Path(built.places[0]) / "seed1" / "report.html"
    report.unlink()
    report.write_text("new")
    write_site(built, Known())
    assert sorted(path.read_text()[:3] for path in (built.folder / "reports").iterdir()) == ["<!d", "new"]
    report.unlink()
    write_site(built, Known())
    assert [row["report"] for row in handed(built.folder / "data" / "board.js")["runs"]].count(None) == 1


@pytest.mark.parametrize("name", ["a#b?c%20 d", "\u00e9\u03b1", os.fsdecode(b"\xff\xfe")])
def test_names_of_folders_may_be_anything(name: str, built: Site) -> None:
    place = Path(built.places[0]) / name
    small_run(place / "run")
    (place / "matrix.json").write_text("{}")
    (place / "matrix.html").write_text("the matrix")
    write_site(built, Known())
    board = handed(built.folder / "data" / "board.js")
    [found] = board["folders"]
    way = urljoin(f"{built.folder.as_uri()}/", found["page"]).removeprefix("file://")
    assert Path(os.fsdecode(unquote_to_bytes(way))).read_text() == "the matrix"
    assert len(board["runs"]) == 3 and "run" in {row["folder"].rpartition("/")[2] for row in board["runs"]}


def test_a_report_that_may_not_be_linked_costs_its_link(built: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(of_site, "link", closed)
    write_site(built, Known())
    assert [row["report"] for row in handed(built.folder / "data" / "board.js")["runs"]] == [None, None]


def test_a_report_that_is_a_link_is_none(built: Site) -> None:
    write_site(built, Known())
    run = Path(built.places[0]) / "seed1"
    (run / "report.html").unlink()
    (run / "report.html").symlink_to("/etc/hostname")
    write_site(built, Known())
    rows = {row["folder"]: row for row in handed(built.folder / "data" / "board.js")["runs"]}
    assert rows["seed1"]["report"] is None and rows["seed2"]["report"]
    assert len(list((built.folder / "reports").iterdir())) == 1


def test_a_matrix_is_the_mean_over_seeds(tmp_path: Path) -> None:
    cells = [
        {"trained": "ztf", "tested": "ps1", "seed": seed, "adapt": adapt, "name": "AUCPR", "value": value}
        for seed, adapt, value in ((1, "none", 0.4), (2, "none", 0.6), (1, "coral", 0.9))
    ]
    (tmp_path / "matrix.json").write_text(json.dumps({"column": "mission", "cells": cells}))
    [found] = matrix_of(tmp_path)
    assert (
        found["cells"] == [{"y": "trained on ztf", "x": "ps1", "v": 0.5}]
        and "AUCPR by mission, 2 seeds" in found["title"]
    )
    for content in ("", "[]", '{"cells": []}', '{"cells": [1]}', '{"cells": [{"adapt": "none"}]}'):
        (tmp_path / "matrix.json").write_text(content)
        assert matrix_of(tmp_path) == []


def test_the_command_as_it_is_typed(built: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"runs=[{built.places[0]}]", f"output_dir={tmp_path / 'typed'}"]
    assert run(["board", *words]) == 0
    assert "2 done" in capsys.readouterr().out
    assert run(["board", *words, "watts=15", "compared=0"]) == 0  # how it is shown may change in its folder
    (tmp_path / "empty").mkdir()
    assert run(["board", f"runs=[{tmp_path / 'empty'}]", f"output_dir={tmp_path / 'other'}"]) == 2
    assert "with runs below" in capsys.readouterr().err and not (tmp_path / "other").exists()
    assert run(["board", f"runs=[{tmp_path / 'no'}]", f"output_dir={tmp_path / 'other'}"]) == 2
    assert run(["board", words[0], f"output_dir={tmp_path / 'runs' / 'seed1'}"]) == 2  # a run's folder is no place


def test_without_its_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, built: Site) -> None:
    of_library.library.cache_clear()
    monkeypatch.setattr(of_library, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=r"pip install 'astrid-ml\[board\]'"):
        BoardCommand([built.places[0]], str(built.folder)).run()


@pytest.fixture
def server(built: Site) -> Iterator[Server]:
    write_site(built, Known())
    made = Server(built.folder, 0)
    yield made
    made.close()


def asked(server: Server, path: str, host: str | None = None, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    port = server.http.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", f"127.0.0.1:{port}" if host is None else host)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_the_server_answers_this_machine_by_its_own_name(server: Server, built: Site) -> None:
    status, headers, body = asked(server, "/")
    assert status == 200 and b"Leaderboard" in body and server.http.server_address[0] == "127.0.0.1"
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Cache-Control"] == "no-store"
    assert asked(server, "/", host="evil.example:80")[0] == 403 == asked(server, "/", host="")[0]
    assert asked(server, "/data/")[0] == 404 and asked(server, "/../runs/seed1/run.json")[0] == 404
    assert asked(server, "/", method="POST")[0] == 501
    assert asked(server, "/%00")[0] == 404
    (built.folder / "data" / "out.js").symlink_to("/etc/passwd")
    (built.folder / "data" / "round.js").symlink_to(built.folder / "data" / "round.js")
    assert asked(server, "/data/out.js")[0] == 404 == asked(server, "/data/round.js")[0]
    [report, _] = (built.folder / "reports").iterdir()
    assert asked(server, f"/reports/{report.name}")[0] == 200


def test_a_port_that_is_taken_is_refused(server: Server, built: Site) -> None:
    port = server.http.server_address[1]
    with pytest.raises(UserError, match="port=0"):
        BoardCommand([built.places[0]], str(built.folder), serve=True, port=port).run()


def test_it_is_served_until_it_is_interrupted(built: Site, tmp_path: Path) -> None:
    words = ["board", f"runs=[{built.places[0]}]", f"output_dir={tmp_path / 'live'}", "serve=true", "port=0"]
    command = [sys.executable, "-u", "-m", "astrid_ml", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        end = threading.Timer(90, process.kill)  # a line that never comes ends the test, and does not hang it
        end.start()
        try:
            told = (re.search(r"http://127.0.0.1:\d+/", line) for line in process.stdout)
            address = next(found[0] for found in told if found)
            small_run(Path(built.places[0]) / "late", seed=7)
            assert next(line for line in process.stdout if "3 done" in line)
            with urllib.request.urlopen(f"{address}data/board.js", timeout=10) as answer:
                assert b'"folder":"late"' in answer.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) in (0, 130)
        finally:
            end.cancel()
            process.kill()
    assert json.loads((tmp_path / "live" / "board.json").read_text())["runs"] == {"done": 3}


def test_the_watch_builds_at_each_change_since_before_the_first_build() -> None:
    stop, done = threading.Event(), list[int]()
    values = iter([1, 1, 2, 2, 3])

    def now() -> int:
        value = next(values, None)
        if value is None:
            stop.set()
        return value or 3

    watch(0, now, lambda: done.append(1), stop, 0.001)
    assert len(done) == 3
