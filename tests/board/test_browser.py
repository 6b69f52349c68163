"""The page in a headless browser: it filters, sorts, sets runs side by side, follows a link, and asks for nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from made.browser import FLAGS
from made.runs import copies, small_run, train_each, write

from astrid_ml.board.serve import Pages, Server
from astrid_ml.board.site import Known, Site, open_folder, write_site

pytestmark = pytest.mark.browser

Drive = Callable[[Path, str], dict[str, Any]]
# Waits for a condition of the page, then goes on; what `told` holds at the end is read from the page.
DRIVER = """
const told = {};
const until = (what) => new Promise((done) => {
  const look = () => { const found = what(); if (found) done(found); else setTimeout(look, 20); };
  look();
});
const all = (selector) => [...document.querySelectorAll(selector)];
const rows = () => all('#table tbody tr');
const names = () => rows().map((row) => row.querySelector('th').textContent.trim());
const cells = (column) => {
  const place = all('#table thead th').findIndex((head) => head.dataset.column === column);
  return rows().map((row) => row.children[place].textContent);
};
const leading = (column) => {
  const place = all('#table thead th').findIndex((head) => head.dataset.column === column);
  return rows().map((row) => row.children[place].firstChild && row.children[place].firstChild.textContent);
};
const put = (box, value, event) => { box.value = value; box.dispatchEvent(new Event(event)); };
const choose = (selector, value) => put(document.querySelector(selector), value, 'change');
const search = (text) => put(document.querySelector('input[type=search]'), text, 'input');
const sort = (column) => document.querySelector(`[data-column="${column}"] button`).click();
const tick = (row) => row.querySelector('input').click();
const drawn = (...places) => until(() => places.every((place) => document.querySelector(`#${place} svg`)));
(async () => {
  try { %s } catch (error) { told.error = String(error.stack || error); }
  const out = document.createElement('pre');
  out.id = 'told'; out.textContent = JSON.stringify(told); document.body.append(out);
})();
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Twelve runs of one task, some of another, one evaluation without validation, one running, failed, broken."""
    runs = tmp_path / "runs"
    for seed in (1, 2, 3):
        for lr in (0.0005, 0.001, 0.002, 0.0035):
            small_run(runs / f"lr{lr}-{seed}", seed=seed, lr=lr)
    write(
        runs / "untested",
        {"status": "done", "name": "<b>bold</b>"},
        {"val/aucpr": 0.99, "val/aucpr_low": 0.9},
        {"seed": 1},
    )
    write(runs / "tree", {"status": "done", "name": "tree"}, {"val/leaf/macro_f1/64d": 0.5}, {"a": 1})
    (small_run(runs / "broken") / "run.json").write_text("{")
    failed = small_run(runs / "failed", seed=9, status="failed", reason="ValueError: <img src=x onerror=alert(1)>")
    (failed / "metrics.json").unlink()
    folder = tmp_path / "site"
    made = Site([str(runs)], folder)
    open_folder(folder)
    write_site(made, Known())
    return folder


@pytest.fixture
def drive(browse: Callable[..., str]) -> Drive:
    """Run steps in the page and return what they told."""

    def run(site: Path, steps: str) -> dict[str, Any]:
        (site / "drive.js").write_text(DRIVER % steps)
        page = (site / "index.html").read_text()
        (site / "driven.html").write_text(page.replace("</body>", '<script src="drive.js"></script></body>'))
        dom = browse(site / "driven.html", "--window-size=1400,6000")  # all of it is in view
        found = re.search(r'<pre id="told">(.*?)</pre>', dom, re.DOTALL)
        assert found, dom[-3000:]
        told: dict[str, Any] = json.loads(unescape(found[1]))
        assert "error" not in told, told["error"]
        return told

    return run


def test_it_asks_for_nothing_and_says_nothing(site: Path, visit: Callable[[Path], Any]) -> None:
    seen = visit(site / "index.html")
    assert seen.requests == set() and seen.console == []
    assert 'data-ready="' in seen.dom and seen.dom.count("<tr") > 12
    assert "<b>bold" not in seen.dom and "&lt;b&gt;bold" in seen.dom and "<img src=x" not in seen.dom


def test_rows_are_ordered_by_validation_and_filtered(site: Path, drive: Drive) -> None:
    told = drive(
        site,
        """
        told.tabs = all('[role=tab]').map((tab) => tab.textContent);
        told.first = names(); told.v = leading('v');
        search('lr=0.002'); told.found = names();
        search('lr0.002 seed=3'); told.one = names();
        search('no such run'); told.none = names().length; told.said = document.getElementById('said').textContent;
        search(''); choose('[data-filter=status]', 'failed'); told.failed = names();
        choose('[data-filter=status]', ''); choose('[data-filter=missions]', 'ps1'); told.ps1 = names().length;
        all('[role=tab]')[1].click(); told.other = names();
        """,
    )
    assert len(told["tabs"]) == 2 and told["tabs"][0].startswith("real or bogus, AUCPR")
    values = [float(text) for text in told["v"] if text]
    assert values[:12] == sorted(values[:12], reverse=True) and told["first"][0].startswith("lr0.0035-3")
    assert len(told["found"]) == 3 and all("lr0.002" in name for name in told["found"])
    assert told["one"] == ["lr0.002-3 · small"] and told["none"] == 0 and told["said"].startswith("0 of 14 runs")
    assert told["failed"] == ["failed · small"] and told["ps1"] == 12 and told["other"] == ["tree"]


def test_a_click_sorts_numbers_as_numbers_and_nulls_last(site: Path, drive: Drive) -> None:
    told = drive(
        site,
        """
        sort('t'); told.down = leading('t');
        told.mark = document.querySelector('[data-column=t]').getAttribute('aria-sort');
        told.focus = document.activeElement.textContent;
        sort('t'); told.up = leading('t');
        sort('name'); told.names = names();
        sort('k:optimizer.lr'); told.lr = cells('k:optimizer.lr');
        """,
    )
    down, up = ([float(text) for text in told[way] if text] for way in ("down", "up"))
    assert len(down) == 12 and not any(told["down"][12:]) and not any(told["up"][12:])
    assert down == sorted(down, reverse=True) and up == sorted(up)
    assert told["mark"] == "descending" and "test" in told["focus"]
    assert (
        (told["names"][0], told["names"][-1]) == ("failed · small", "untested · <b>bold</b>")
        and told["lr"][0] == "0.0005"
        and told["lr"][-1] == ""
    )


def test_seeds_together_give_mean_and_spread(site: Path, drive: Drive) -> None:
    told = drive(site, "document.getElementById('seeds').click(); told.v = cells('v'); told.n = names().length;")
    assert told["n"] == 6
    grouped = [text for text in told["v"] if "seeds" in text]
    assert len(grouped) == 4 and "0.870± 0.010 over 3 seeds" in grouped


def test_columns_are_chosen(site: Path, drive: Drive) -> None:
    told = drive(
        site,
        """
        const box = document.querySelector('#columns input[value="m:test/recall"]'); box.click();
        told.recall = cells('m:test/recall');
        document.querySelector('#columns input[value="rank"]').click();
        told.heads = all('#table thead th').map((head) => head.dataset.column);
        """,
    )
    assert told["recall"][0] and "rank" not in told["heads"]


def test_chosen_runs_stand_side_by_side(site: Path, drive: Drive) -> None:
    told = drive(
        site,
        """
        rows().filter((row) => /lr0.0035|lr0.0005-1/.test(row.textContent)).forEach(tick);
        await drawn('curve-pr', 'curve-roc', 'curve-reliability');
        await until(() => all('#disagreed figure').length);
        told.lines = all('#curve-pr svg .mark-line path').length;
        told.tables = all('#picked table').map((table) => table.textContent);
        told.diff = all('#picked td.diff').map((cell) => cell.textContent);
        told.samples = all('#disagreed figure').length;
        told.hash = location.hash;
        document.querySelector('#picked li button').click();
        await until(() => all('#picked li').length === 3);
        told.left = all('#table tr.picked').length;
        """,
    )
    assert told["lines"] == 4 and told["samples"] == 20 and told["left"] == 3
    assert sum(bool(re.match(r"[+−]0\.\d{3}[+−]", text)) for text in told["diff"]) == 6  # of the three best, both ways
    assert sum(text == "–" for text in told["diff"]) == 4
    assert any("not computed" in text for text in told["diff"])
    changed = next(text for text in told["tables"] if "configurations differ" in text)
    assert "optimizer.lr" in changed and "0.0005" in changed
    origins = next(text for text in told["tables"] if "come from" in text)
    assert "beef01234567" in origins and "f00d" in origins


def test_plots_are_drawn_of_the_runs_that_the_leaderboard_shows(site: Path, drive: Drive) -> None:
    told = drive(
        site,
        """
        await drawn('parallel', 'parameter', 'cost');
        told.points = all('#parameter svg .mark-symbol path').length;
        told.lines = all('#parallel svg .mark-line path').length;
        search('lr0.0035'); await until(() => all('#parameter svg .mark-symbol path').length === 3);
        await drawn('by-mission');
        told.heat = all('#by-mission svg text').map((text) => text.textContent);
        told.trouble = document.getElementById('trouble').textContent;
        """,
    )
    assert told["points"] == 12 and told["lines"] == 13 and told["trouble"] == ""
    assert {"ztf", "ps1"} <= set(told["heat"])


def test_what_is_not_done_is_listed_with_its_reason(site: Path, drive: Drive) -> None:
    told = drive(site, "told.text = document.getElementById('broken').textContent;")
    assert "run.json" in told["text"] and "ValueError: <img src=x" in told["text"] and "2 folders" in told["text"]


def test_a_link_opens_the_report(site: Path, browse: Callable[..., str]) -> None:
    (site / "drive.js").write_text(DRIVER % "document.querySelector('#table tbody a').click(); return;")
    page = (site / "index.html").read_text()
    (site / "driven.html").write_text(page.replace("</body>", '<script src="drive.js"></script></body>'))
    assert "<title>report of seed 3</title>" in browse(site / "driven.html")


def test_an_address_with_runs_shows_them(site: Path, drive: Drive) -> None:
    told = drive(site, "tick(rows()[0]); await until(() => all('#picked li').length === 1); told.hash = location.hash;")
    (site / "first.js").write_text(f"location.hash = {json.dumps(told['hash'] + ',0000000000')};")
    page = (site / "index.html").read_text()
    start = '<script src="board.js"'
    (site / "index.html").write_text(page.replace(start, f'<script src="first.js"></script>{start}'))
    steps = "told.kept = await until(() => all('#picked li').length); told.row = names()[0];"
    told = drive(site, steps)
    assert told == {"kept": 1, "row": "lr0.0035-3 · small"}


def test_an_empty_board_says_so(tmp_path: Path, visit: Callable[[Path], Any]) -> None:
    (tmp_path / "runs").mkdir()
    folder = tmp_path / "site"
    open_folder(folder)
    write_site(Site([str(tmp_path / "runs")], folder), Known())
    seen = visit(folder / "index.html")
    assert "No run was found yet" in seen.dom and seen.console == []


def test_a_page_that_is_served_shows_what_is_new(
    tmp_path: Path, chromium: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, folder = tmp_path / "runs", tmp_path / "site"
    small_run(runs / "first")
    made, known = Site([str(runs)], folder, live=True), Known()
    open_folder(folder)
    write_site(made, known)
    plain, asked = Pages.send_head, list[str]()

    def build_first(self: Pages) -> Any:
        if self.path.startswith("/data/stamp.js") and not asked:  # the page stands, and looks for news
            small_run(runs / "second", seed=2)
            write_site(made, known)
        asked.extend([self.path] if asked or self.path.startswith("/data/stamp.js") else [])
        return plain(self)

    monkeypatch.setattr(Pages, "send_head", build_first)
    server = Server(folder, 0)
    try:
        flags = [*FLAGS[:-1], "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        command = [chromium, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", server.address]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    finally:
        server.close()
    assert "second · small" in dom and "/data/board.js" in asked


@pytest.mark.slow
def test_two_hundred_runs_of_every_domain(tmp_path: Path, drive: Drive, visit: Callable[[Path], Any]) -> None:
    trained = train_each(tmp_path / "trained")
    copies(trained, tmp_path / "copies", 200)
    shutil.rmtree(tmp_path / "copies" / "run-0003" / "predictions")
    (tmp_path / "copies" / "run-0004" / "metrics.json").write_text("")
    folder = tmp_path / "site"
    open_folder(folder)
    told = write_site(Site([str(tmp_path / "trained"), str(tmp_path / "copies")], folder), Known())
    assert told["runs"] == "203 done, 1 broken"
    seen = visit(folder / "index.html")
    assert seen.requests == set() and seen.console == []
    assert seen.dom.count('role="tab"') == 3
    told = drive(
        folder,
        """
        told.tabs = all('[role=tab]').map((tab) => tab.textContent);
        const order = cells('rank').map((text) => text.split(' ')[0]);
        told.sets = order.every((letter, k) => !k || order[k - 1] <= letter);
        search('run-0004 run-0008'); told.none = names().length;
        search('triplets'); told.triplets = names().length;
        sort('k:optimizer.lr'); told.lr = cells('k:optimizer.lr').map(Number);
        rows().slice(0, 3).forEach(tick);
        await drawn('curve-pr', 'curve-roc');
        told.lines = all('#curve-pr svg .mark-line path').length;
        told.report = document.querySelector('#table tbody a').getAttribute('href');
        search(''); all('[role=tab]')[1].click(); told.others = names().length;
        """,
    )
    assert told["sets"] and told["none"] == 0 and told["triplets"] >= 50 and told["lines"] == 3 and told["others"] >= 50
    assert told["lr"] == sorted(told["lr"]) and (folder / told["report"]).is_file()
