"""Whatever a run is called and however large its tables are, a page shows it as text and stays whole."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jinja2 import StrictUndefined, UndefinedError

import astrid_ml.report
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report.contact_sheet import stamp_png
from astrid_ml.report.content import RunReport, SamplePicture
from astrid_ml.report.pages import anchor, drawn, environment, linked, render
from astrid_ml.report.sweep import write_sweep
from astrid_ml.report.views import facts, heat, table
from astrid_ml.report.write import write_model_card, write_report

HOUSE = Path(astrid_ml.report.__file__).parent
SCRIPT = "<script>document.title='owned'</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
QUOTES = """a"b'c&amp;<d>"""
TEMPLATE = "{{7*7}} {% raw %} {# gone #} {{ config }}"
PAYLOADS = (SCRIPT, IMAGE, QUOTES, TEMPLATE)

Shown = Callable[[Any], str]


class Page(HTMLParser):
    """Tags with their attributes, and the text; styles and scripts left out of it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.text = " ".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("style", "script"):
            self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def hostile() -> RunReport:
    """Every text that a user, a file or another survey may choose is an attack."""
    breakdown = {"value": [IMAGE, SCRIPT], "n": [9.0, 9.0], "positives": [3.0, 3.0], "groups": [4.0, 4.0]}
    breakdown |= {"aucpr": [0.5, np.nan], "low": [0.4, np.nan], "high": [0.6, np.nan]}
    confusion = pd.DataFrame({"truth": [IMAGE, SCRIPT], IMAGE: [5, 1], SCRIPT: [2, 7]})
    tables = {
        f"breakdown/{IMAGE}": pd.DataFrame(breakdown),
        "confusion": confusion,
        f"confusion/{SCRIPT}": confusion,
        IMAGE: pd.DataFrame({SCRIPT: [QUOTES], TEMPLATE: [IMAGE]}),
    }
    metrics: dict[str, float | None] = {"aucpr": 0.5, SCRIPT: None, IMAGE: 0.25}
    result = EvaluationResult(metrics, {SCRIPT: TEMPLATE}, tables=tables, remarks=[IMAGE, TEMPLATE])
    pairs = [{"train": QUOTES, SCRIPT: IMAGE}]
    record: dict[str, Any] = {
        "name": SCRIPT,
        "labels": {"source": SCRIPT, "proxy": True, "words": IMAGE, SCRIPT: IMAGE},
        "dataset": {"domain": IMAGE, "fingerprint": SCRIPT, "counts": {SCRIPT: IMAGE}, "drops_by_reason": {IMAGE: 2}},
        "split": {"name": SCRIPT, "hash": IMAGE, "account": {SCRIPT: IMAGE}, "counts": [{"fold": SCRIPT, IMAGE: 1}]},
        "audit": {"ok": False, "checked": [SCRIPT], "findings": [{"kind": IMAGE, "message": SCRIPT, "pairs": pairs}]},
        "calibration": {"threshold": 0.5, "rule": IMAGE},
        "versions": {SCRIPT: IMAGE},
        "seeds": {IMAGE: SCRIPT},
        "cost": {SCRIPT: IMAGE},
        "run_dir": f"/tmp/{SCRIPT}",
    }
    pictures = [SamplePicture(f"{QUOTES}\n{IMAGE}", stamp_png(np.ones((1, 5, 5))))]
    return RunReport(
        SCRIPT,
        record,
        {"test": result, IMAGE: result},
        pd.DataFrame({"epoch": [0.0, 1.0], f"{SCRIPT}/loss": [1.0, 0.5], f"val/{IMAGE}": [0.1, 0.2]}),
        {SCRIPT: pictures, IMAGE: pictures},
        f"astrid train name={SCRIPT} {TEMPLATE}",
        {IMAGE: pd.DataFrame({IMAGE: [SCRIPT]})},
        pictures,
        {SCRIPT: IMAGE, "notes": [TEMPLATE, QUOTES]},
    )


def written(report: RunReport, folder: Path) -> str:
    write_report(folder / "report.html", report)
    return (folder / "report.html").read_text(encoding="utf-8")


def hostile_sweep(folder: Path) -> str:
    folder.mkdir()
    for number, held_out in enumerate((IMAGE, SCRIPT, "failed")):
        place = folder / str(number)
        place.mkdir()
        done = held_out != "failed"
        overrides = [f"split.held_out={held_out}", f"{QUOTES}={number}{TEMPLATE}"]
        record = {"status": "done" if done else "failed", "reason": SCRIPT, "overrides": overrides}
        (place / "run.json").write_text(json.dumps(record))
        if done:
            metrics = {"test/aucpr": 0.5, "test/aucpr_low": 0.4, "test/aucpr_high": 0.6, f"test/aucpr/{IMAGE}": 0.5}
            (place / "metrics.json").write_text(json.dumps(metrics))
    return write_sweep(folder)[1].read_text(encoding="utf-8")


def assert_harmless(page: str) -> None:
    """Nothing of the attacks became a tag, an attribute that runs, or an address; each stands there as text."""
    seen = Page(page)
    assert not {tag for tag, _ in seen.tags} & {"d", "iframe", "object", "base", "form"}
    assert all((attrs["src"] or "").startswith("data:image/png;base64,") for attrs in seen.of("img"))
    assert not [name for _, attrs in seen.tags for name in attrs if name.startswith("on")]
    policy = next(attrs["content"] for attrs in seen.of("meta") if "http-equiv" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    for payload in PAYLOADS:
        assert payload in seen.text, payload
    assert "49" not in re.sub(r"\d\.\d+", "", re.sub(r"pytest-\d+", "", seen.text))


def test_a_hostile_run_is_shown_as_text(tmp_path: Path) -> None:
    page = written(hostile(), tmp_path)
    assert_harmless(page)
    assert Page(page).of("script") == []
    assert "script-src" not in page  # a page without a script lets none run


def test_a_hostile_sweep_is_shown_as_text(tmp_path: Path) -> None:
    page = hostile_sweep(tmp_path / "sweep <b>")
    assert_harmless(page)
    assert len(Page(page).of("script")) == 1
    assert "Across missions" in page


def test_a_hostile_model_card_stays_one_block_of_code(tmp_path: Path) -> None:
    report = RunReport("r", {}, {}, repeat="astrid train\n# not a heading")
    write_model_card(tmp_path, report)
    assert "\n    # not a heading" in (tmp_path / "model_card.md").read_text()


@pytest.mark.browser
def test_a_browser_runs_nothing_of_it(tmp_path: Path, visit: Callable[[Path], Any]) -> None:
    written(hostile(), tmp_path)
    hostile_sweep(tmp_path / "jobs")
    for page in (tmp_path / "report.html", tmp_path / "jobs" / "sweep.html"):
        seen = visit(page)
        assert "<title>owned" not in seen.dom
        assert seen.console == []
        assert seen.requests == set()


def test_a_link_is_relative_and_its_name_cannot_be_an_address(tmp_path: Path) -> None:
    odd = tmp_path / 'data:text" onclick="x'
    odd.mkdir()
    (odd / "report.html").write_text("x")
    link = linked("<b>run", odd / "report.html", tmp_path)
    assert link == '<a href="./data%3Atext%22%20onclick%3D%22x/report.html">&lt;b&gt;run</a>'
    assert linked("up", odd / "report.html", odd / "page").startswith('<a href="./../report.html">')


def test_the_environment_escapes_everything_and_forgives_nothing() -> None:
    made = environment()
    assert made.autoescape is True
    assert made.undefined is StrictUndefined
    assert made.from_string("{{ x }}").render(x="<&\"'>") == "&lt;&amp;&#34;&#39;&gt;"
    with pytest.raises(UndefinedError, match="section"):
        render("section.html")


def test_one_function_alone_makes_markup() -> None:
    code = {path.name: path.read_text(encoding="utf-8") for path in HOUSE.rglob("*.py")}
    assert {name: text.count("Markup(") for name, text in code.items() if "Markup(" in text} == {"pages.py": 1}
    tag = re.compile(r"[\"']<(?!svg|line|circle|path|text)[a-z]+[ >]")
    assert [name for name, text in code.items() if tag.search(text)] == []
    assert drawn("<svg/>").__html__() == "<svg/>"
    assert linked(SCRIPT, Path("nowhere"), Path()) == "&lt;script&gt;document.title=&#39;owned&#39;&lt;/script&gt;"
    for path in (HOUSE / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|xmlattr", text), path.name
        assert not re.search(r"=\s*\{\{", text.replace("set c = ", "")), f"{path.name}: an attribute without quotes"


def test_every_template_is_used_and_compiles() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in [*HOUSE.rglob("*.py"), *HOUSE.rglob("*.html")])
    for name in environment().list_templates():
        environment().get_template(name)
        assert f'"{name}"' in texts or f'"{Path(name).stem}"' in texts, f"nothing names {name}"


def test_an_empty_report_is_still_a_page(tmp_path: Path) -> None:
    for results in ({}, {"test": EvaluationResult({})}, {"val": EvaluationResult({"aucpr": None})}):
        page = written(RunReport("empty", {}, results), tmp_path)
        seen = Page(page)
        assert "AUCPR is undefined" in seen.text
        assert len(seen.of("h2")) == bool(results and next(iter(results.values())).metrics)  # the numbers
        assert not {"svg", "img", "pre", "details"} & {tag for tag, _ in seen.tags}
        write_model_card(tmp_path, RunReport("empty", {}, results))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -0.0, 1e300, 12345.0])
def test_any_value_of_a_metric_can_be_shown(value: float | None, tmp_path: Path) -> None:
    metrics: dict[str, float | None] = {"aucpr": value, "n": value, "groups": None, "prevalence": 0.1, "odd": value}
    why = {"aucpr": "no positive"} if value is None else {}
    page = written(RunReport("r", {}, {"test": EvaluationResult(metrics, why)}), tmp_path)
    assert (value is None) == ("no positive" in page)
    assert ("undefined" in page) or value is not None


def test_marks_outside_of_the_scale_stay_on_the_page(tmp_path: Path) -> None:
    result = EvaluationResult({"aucpr": 0.5, "prevalence": 1.4}, intervals={"aucpr": (-0.2, 1.3)})
    page = written(RunReport("r", {}, {"test": result}), tmp_path)
    ends = [float(number) for number in re.findall(r"(?:left|width):([-\d.]+)%", page)]
    assert min(ends) == 0 and max(ends) == 100


def big(rows: int = 2000, columns: int = 60) -> pd.DataFrame:
    values = np.random.default_rng(0).random((rows, columns - 1))
    frame = pd.DataFrame(values, columns=[f"quantity_{k}" for k in range(columns - 1)])
    frame.insert(0, "id", [f"ZTF-{row:06d}" for row in range(rows)])
    return frame


def test_a_table_of_sixty_columns_and_two_thousand_rows_is_complete(shown: Shown) -> None:
    page = shown(table(big(), "big"))
    assert page.count("<tr") == 2001
    assert page.count("<td") == 2000 * 59
    assert '<table class="wide long">' in page
    assert page.count('data-name="quantity_58"') == 2000  # on paper each value stands beside its column's name
    assert "data-name" not in shown(table(big(3, 5), "small"))
    assert "data-name" in shown(table(big(3, 5).rename(columns={"id": "i" * 100}), "one long head"))


def test_a_matrix_wider_than_paper_is_printed_as_blocks_too(shown: Shown) -> None:
    for count, wide in ((4, False), (40, True)):
        names = [f"class {k}" for k in range(count)]
        page = shown(heat([[("12\n5.0%", 0.05)] * count] * count, names, names, "m"))
        assert page.count("data-name") == wide * count**2
        assert ('class="matrix wide"' in page) == wide


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
def test_a_big_table_scrolls_in_its_own_box(width: int, tmp_path: Path, browse: Callable[..., str]) -> None:
    name = "a_name_without_a_single_space_" * 9
    report = RunReport(name, {"run_dir": f"/{name}", "seeds": {name: name}}, {}, repeat=name, cross={name: big(40)})
    page = written(report, tmp_path).replace("default-src 'none'", "default-src 'self'")
    frame = tmp_path / "frame.html"
    script = (
        "<script>onload = () => { const d = document.querySelector('iframe').contentDocument;"
        "const box = d.querySelector('table.wide').parentNode;"
        "document.title = [d.documentElement.scrollWidth, box.scrollWidth, box.clientWidth].join(' '); }</script>"
    )
    inner = f'<iframe width="{width}" height="800" style="border:0" srcdoc="{html.escape(page)}"></iframe>'
    frame.write_text(f"<!doctype html>{inner}{script}")
    found = re.search(r"<title>(\d+) (\d+) (\d+)</title>", browse(frame))
    assert found is not None
    whole, content, box = (int(number) for number in found.groups())
    assert whole <= width
    assert box < width < content


def test_tables_with_odd_names_and_values(shown: Shown) -> None:
    frame = pd.DataFrame([[1, pd.NaT, np.bool_(True)], [2, pd.Timestamp("2020-01-01"), False]], columns=["a", "a", 3])
    page = shown(table(frame, "odd", {"3": "three"}))
    assert re.findall(r"<td[^>]*>([^<]*)</td>", page) == ["", "yes", "2020-01-01 00:00:00", "no"]
    assert ">three</th>" in page
    assert shown(table(pd.DataFrame(), "nothing")).count("<td") == 0
    assert "{1: 2}" not in shown(facts({"a": {1: np.int64(20000)}}, "f"))
    assert "1: 20,000" in shown(facts({"a": {1: np.int64(20000)}}, "f"))


def test_numbers_stand_right_also_as_texts_and_long_texts_may_wrap(shown: Shown) -> None:
    frame = pd.DataFrame({"m": ["x"], "v": ["0.123"], "u": ["undefined"], "i": ["0.1 to 0.2"], "w": ["word " * 9]})
    page = shown(table(frame, "c"))
    found = {name: side for side, name in re.findall(r'scope="col" class="(\w)">(\w)<', page)}
    assert found == {"m": "s", "v": "n", "u": "s", "i": "s", "w": "t"}


def test_anchors() -> None:
    assert anchor("Cost, versions, repeat") == "cost-versions-repeat"
