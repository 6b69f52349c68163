"""The table and the page of a sweep, from the folders of its jobs alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from astrid_ml.report.sweep import override, read_jobs, write_sweep


def job(folder: Path, number: int, overrides: list[str], metrics: dict[str, Any] | None, **record: Any) -> None:
    place = folder / str(number)
    place.mkdir(parents=True)
    status = "failed" if metrics is None else "done"
    content = {"status": status, "overrides": overrides, **record}
    (place / "run.json").write_text(json.dumps(content))
    if metrics is not None:
        (place / "metrics.json").write_text(json.dumps(metrics))


def headline(value: float, **others: Any) -> dict[str, Any]:
    return {"test/aucpr": value, "test/aucpr_low": value - 0.02, "test/aucpr_high": value + 0.02, **others}


@pytest.fixture
def missions(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep <1>"
    pooled = headline(0.9, **{"test/aucpr/ZTF": 0.8, "test/aucpr/GALEX": 0.95, "test/mcc": None, "test/mcc/why": "x"})
    job(folder, 0, ["experiment=e", "split.held_out=none", "seed=1"], pooled)
    job(folder, 1, ["experiment=e", "split.held_out=ZTF", "seed=1"], headline(0.6))
    job(folder, 2, ["experiment=e", "split.held_out=GALEX", "seed=1"], headline(0.7))
    job(folder, 10, ["experiment=e", 'split.held_out="PS1"', "seed=1"], None, reason="UserError: <b>no PS1</b>")
    (folder / "11").mkdir()
    return folder


def test_one_row_a_job_in_order_with_status_and_reason(missions: Path) -> None:
    table, _ = write_sweep(missions)
    jobs = pd.read_parquet(table)
    assert jobs["job"].tolist() == ["0", "1", "2", "10", "11"]
    assert jobs["status"].tolist() == ["done", "done", "done", "failed", "unfinished"]
    assert "no PS1" in jobs["reason"].tolist()[3]
    assert jobs["run_dir"].tolist() == [str(missions / name) for name in jobs["job"]]
    assert jobs["seed"].dropna().tolist() == [1, 1, 1, 1]
    assert jobs["split.held_out"].tolist()[:4] == ["none", "ZTF", "GALEX", "PS1"]
    assert jobs["test/aucpr"].tolist()[:3] == [0.9, 0.6, 0.7]
    assert pd.isna(jobs["test/mcc"]).all()
    assert not any(str(name).endswith("/why") for name in jobs)


def test_the_held_out_missions_aucpr_is_the_test_folds(missions: Path) -> None:
    jobs = read_jobs(missions).set_index("job")
    assert jobs.loc["1", "test/aucpr/ZTF"] == 0.6
    assert jobs.loc["1", "test/aucpr/ZTF_low"] == pytest.approx(0.58)
    assert jobs.loc["0", "test/aucpr/ZTF"] == 0.8
    assert jobs["test/aucpr/ZTF"].isna().tolist() == [False, False, True, True, True]


def test_the_page_has_the_matrix_and_escapes_reasons(missions: Path) -> None:
    _, page = write_sweep(missions)
    text = page.read_text()
    assert "Across missions" in text
    assert ">0.600<" in text
    assert "<b>no PS1" not in text
    assert "&lt;b&gt;no PS1" in text
    assert "5 jobs, 3 done, 2 not" in text


def test_a_job_leads_to_its_report_where_it_left_one(missions: Path) -> None:
    for number in ("0", "10"):
        (missions / number / "report.html").write_text("x")
    text = write_sweep(missions)[1].read_text()
    assert re.findall(r'<a href="([^"]*)">([^<]*)</a>', text.split("<main")[1]) == [
        ("./0/report.html", "0"),
        ("./10/report.html", "10"),
    ]
    for target in ("./0/report.html", "./10/report.html"):
        assert (missions / target).is_file()


def test_a_damaged_record_is_a_failed_row(tmp_path: Path) -> None:
    job(tmp_path, 0, ["seed=1"], headline(0.5))
    job(tmp_path, 1, ["seed=2"], headline(0.6))
    (tmp_path / "1" / "metrics.json").write_text('{"test/aucpr": 0.')
    jobs = pd.read_parquet(write_sweep(tmp_path)[0])
    assert jobs["status"].tolist() == ["done", "failed"]
    assert "cannot be read" in jobs["reason"].iloc[1]


def test_a_sweep_without_a_single_success_still_has_its_page(tmp_path: Path) -> None:
    job(tmp_path, 0, ["seed=1"], None, reason="disk full")
    table, page = write_sweep(tmp_path)
    assert pd.read_parquet(table)["status"].tolist() == ["failed"]
    assert "disk full" in page.read_text()


def test_another_domains_headline_is_found(tmp_path: Path) -> None:
    for number, value in enumerate((0.3, 0.4)):
        name = "test/leaf/macro_aucpr/64d"
        metrics = {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
        job(tmp_path, number, [f"optimizer.lr={10.0**-number}"], metrics)
    text = write_sweep(tmp_path)[1].read_text()
    assert "The highest test/leaf/macro_aucpr/64d is 0.400, job 1 (optimizer.lr=0.1)" in text


def test_overrides_lose_their_quotes_and_plus() -> None:
    assert override('+a.b="x=1"') == ("a.b", "x=1")
    assert override("paths.raw='p q'") == ("paths.raw", "p q")


SORT = """<script>
document.querySelectorAll('table.sortable thead button')[3].click();
document.title = [...document.querySelectorAll('table.sortable tbody tr')].map(r => r.cells[0].textContent).join(' ');
</script></body>"""


@pytest.mark.browser
def test_a_click_sorts_numbers_with_empty_cells_last(missions: Path, browse: Callable[..., str]) -> None:
    _, page = write_sweep(missions)
    clicked = page.with_name("clicked.html")
    clicked.write_text(page.read_text().replace("</body>", SORT))
    assert "<title>1 2 0 10 11</title>" in browse(clicked)
