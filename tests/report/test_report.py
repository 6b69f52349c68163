"""Reports of a good, an all-bogus and a leaky run: complete, self-contained, and honest in words."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.calibration import Temperature
from astrid_ml.evaluation.judge import BinaryJudge
from astrid_ml.evaluation.thresholds import Fixed, MaxF1
from astrid_ml.report.contact_sheet import stamp_png
from astrid_ml.report.content import RunReport, SamplePicture
from astrid_ml.report.write import write_model_card, write_report


def predictions(kind: str, n: int = 600) -> pd.DataFrame:
    random = np.random.default_rng(3)
    label = (random.random(n) < 0.1).astype(int)
    logit = random.normal(size=n) + (3.0 * label if kind != "all bogus" else 0.0) - (0 if kind != "all bogus" else 12)
    table = pd.DataFrame(
        {"id": [f"s<{i}>" for i in range(n)], "group_id": [f"g{i // 2}" for i in range(n)], "label": label}
    )
    table["score"] = 1 / (1 + np.exp(-logit))
    table["mission"] = random.choice(["ZTF", "PS1"], n)
    table["snr"] = random.uniform(4, 40, n)
    return table


def report_of(kind: str) -> RunReport:
    rule = Fixed(0.5) if kind == "all bogus" else MaxF1()
    judge = BinaryJudge(Temperature(), rule, BinaryEvaluation(Bootstrap(replicates=100)))
    table = predictions(kind)
    fitted = judge.fit(table)
    result = judge.evaluate(judge.apply(table, fitted))
    findings = []
    if kind == "leaky":
        findings = [
            {
                "kind": "shared group",
                "message": "1 groups stand in training and test (SN2020x).",
                "pairs": [{"train": "a", "test": "b"}],
            }
        ]
    record: dict[str, Any] = {
        "name": kind,
        "labels": {"source": "drb >= 0.5", "proxy": kind == "good", "words": "another model's score, not human truth"},
        "dataset": {
            "fingerprint": "abc123",
            "domain": "alerts",
            "counts": {"samples": 600, "groups": 300},
            "drops_by_reason": {"no candid": 2},
        },
        "split": {"name": "group", "hash": "h", "account": {}, "counts": [{"fold": "train", "samples": 400}]},
        "audit": {
            "ok": not findings,
            "mode": "warn",
            "checked": ["ids"],
            "findings": findings,
            "confounding": {"why": "off"},
        },
        "calibration": fitted,
        "versions": {"torch": "2"},
        "cost": {"wall_seconds": 1.0},
    }
    history = pd.DataFrame(
        {"epoch": [0.0, 1.0], "train/loss": [1.0, 0.5], "val/loss": [1.1, 0.6], "val/aucpr": [0.3, 0.5]}
    )
    picture = SamplePicture(
        "s1; bogus, score 0.99", stamp_png(np.random.default_rng(0).normal(size=(3, 21, 21)), scale=2)
    )
    return RunReport(
        kind, record, {"test": result}, history, {"Nearest to the threshold": [picture]}, "astrid train experiment=x"
    )


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.parametrize("kind", ["good", "all bogus", "leaky"])
def test_a_report_is_complete_and_asks_the_network_for_nothing(kind: str, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", report_of(kind))
    page = (tmp_path / "report.html").read_text()
    for heading in (
        "Numbers",
        "Curves",
        "Operating point",
        "Breakdown",
        "Samples",
        "Training",
        "Data and split",
        "Leak audit",
        "Cost, versions, repeat",
    ):
        assert f">{heading}</h2>" in page, heading
    parser = Links()
    parser.feed(page)
    assert all(link.startswith(("data:", "#")) for link in parser.found)
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r'src="data:[^"]*"', "", page))


def test_an_all_bogus_model_is_called_out(tmp_path: Path) -> None:
    report = report_of("all bogus")
    result = report.results["test"]
    assert result.metrics["recall"] == 0
    aucpr, prevalence = result.metrics["aucpr"], result.metrics["prevalence"]
    assert aucpr is not None
    assert prevalence is not None
    assert aucpr < 2 * prevalence
    write_report(tmp_path / "report.html", report)
    page = (tmp_path / "report.html").read_text()
    assert "calls everything bogus" in page
    assert "recall is 0" in page


def test_a_leak_and_a_proxy_stand_at_the_top(tmp_path: Path) -> None:
    write_report(tmp_path / "leaky.html", report_of("leaky"))
    assert "The split leaks" in (tmp_path / "leaky.html").read_text().split("<h2 ")[0]
    write_report(tmp_path / "good.html", report_of("good"))
    assert "Labels are a proxy" in (tmp_path / "good.html").read_text().split("<h2 ")[0]


def test_a_partial_dataset_stands_at_the_top_and_in_the_card(tmp_path: Path) -> None:
    report = report_of("good")
    assert "partial" not in json.dumps(report.record)
    report.record["dataset"]["failed"] = [{"id": "night1", "reason": "PermissionError: no right"}]
    write_report(tmp_path / "report.html", report)
    write_model_card(tmp_path, report)
    said = "The dataset is partial: 1 unit failed (night1: PermissionError: no right)"
    assert said in (tmp_path / "report.html").read_text().split("<h2 ")[0]
    assert any(
        line.startswith(said) for line in json.loads((tmp_path / "model_card.json").read_text())["Read before use"]
    )


def test_texts_are_escaped(tmp_path: Path) -> None:
    report = report_of("good")
    write_report(tmp_path / "report.html", replace(report, title="<script>alert(1)</script>"))
    assert "<script>alert" not in (tmp_path / "report.html").read_text()


def test_an_undefined_headline_is_said_with_its_reason(tmp_path: Path) -> None:
    table = predictions("good")
    table["label"] = 0
    judge = BinaryJudge(Temperature(), Fixed(0.5), BinaryEvaluation(Bootstrap(replicates=50)))
    applied = judge.apply(table, {"threshold": 0.5})
    result = judge.evaluate(applied)
    assert result.metrics["aucpr"] is None
    assert "no positive" in result.why["aucpr"]
    write_report(tmp_path / "report.html", replace(report_of("good"), results={"test": result}))
    assert "undefined" in (tmp_path / "report.html").read_text()


def test_the_model_card_says_what_the_report_says(tmp_path: Path) -> None:
    report = report_of("good")
    write_model_card(tmp_path, report)
    card = json.loads((tmp_path / "model_card.json").read_text())
    assert card["How well it does"]["AUCPR (average precision)"].startswith(
        f"{report.results['test'].metrics['aucpr']:.4f}"
    )
    assert "proxy" in (tmp_path / "model_card.md").read_text()
    assert "Trained on" not in card  # the dataset holds the test fold too
    for row in report.record["split"]["counts"]:
        assert card["Split"][row["fold"]].startswith(f"{row['samples']:,} samples")


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["good", "all bogus", "leaky"])
def test_a_browser_shows_it_without_errors(kind: str, tmp_path: Path, visit: Callable[[Path], Any]) -> None:
    page = tmp_path / "report.html"
    write_report(page, report_of(kind))
    seen = visit(page)
    assert seen.console == []
    assert seen.requests == set()
    assert seen.dom.count('<svg class="plot"') >= 5
    assert all(f'id="{place}"' in seen.dom for place in re.findall(r'href="#([^"]+)"', seen.dom))


@pytest.mark.browser
def test_the_browser_would_tell_of_errors_and_requests(tmp_path: Path, visit: Callable[[Path], Any]) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<!doctype html><script>nothing()</script><img src="http://127.0.0.1:9/x.png">')
    seen = visit(page)
    assert any("nothing is not defined" in line for line in seen.console)
    assert seen.requests == {"http://127.0.0.1:9/x.png"}


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out_of_the_page(width: int, tmp_path: Path, browse: Callable[..., str]) -> None:
    write_report(tmp_path / "report.html", report_of("leaky"))
    # A frame is as narrow as a phone, which the window of a browser cannot be.
    inner = html.escape(
        (tmp_path / "report.html").read_text().replace("default-src 'none'", "default-src 'self'"), quote=True
    )
    frame = tmp_path / "frame.html"
    script = (
        "<script>onload = () => { const d = document.querySelector('iframe').contentDocument.documentElement;"
        "document.title = 'wide ' + d.scrollWidth; }</script>"
    )
    frame.write_text(
        f'<!doctype html><iframe width="{width}" height="800" style="border:0" srcdoc="{inner}"></iframe>{script}'
    )
    found = re.search(r"<title>wide (\d+)</title>", browse(frame))
    assert found is not None
    assert int(found[1]) <= width


@pytest.mark.browser
@pytest.mark.parametrize("scheme", [0, 1])
def test_dark_and_light_differ_and_have_contrast(scheme: int, tmp_path: Path, browse: Callable[..., str]) -> None:
    from matplotlib.image import imread

    page, picture = tmp_path / "report.html", tmp_path / "seen.png"
    write_report(page, report_of("good"))
    browse(page, f"--blink-settings=preferredColorScheme={scheme}", "--window-size=900,900", screenshot=picture)
    grey = imread(picture)[..., :3].mean(axis=-1)
    paper = float(np.median(grey))
    assert (paper < 0.2) == (scheme == 0)
    assert float(np.abs(grey - paper).max()) > 0.6
