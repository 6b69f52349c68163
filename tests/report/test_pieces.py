"""The pieces of a report against what they should show."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import Image
from scipy.stats import binomtest

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.metrics.binary import average_precision, pr_curve
from astrid_ml.report import plots, sections_head, sections_results, sections_run, views
from astrid_ml.report.contact_sheet import MISSING, stamp_png, stretched, write_contact_sheet
from astrid_ml.report.content import RunReport, SamplePicture
from astrid_ml.report.model_card import card_text
from astrid_ml.report.names import fixed, readable, show
from astrid_ml.report.svg import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, Line, plot, ticks, whisker
from astrid_ml.stats import wilson

Shown = Callable[[Any], str]


def result_of(n: int = 300) -> EvaluationResult:
    random = np.random.default_rng(1)
    label = (random.random(n) < 0.2).astype(int)
    score = 1 / (1 + np.exp(-random.normal(size=n) - 2 * label))
    table = pd.DataFrame({"label": label, "score": score, "threshold": 0.5, "decision": (score >= 0.5).astype(int)})
    table["group_id"] = [f"g{i}" for i in range(n)]
    table["mission"] = np.where(np.arange(n) % 3 == 0, "A", "B")
    return BinaryEvaluation(Bootstrap(replicates=50)).evaluate(table)


def report_of(result: EvaluationResult, **record: object) -> RunReport:
    return RunReport("r", {"name": "r", **record}, {"test": result})


def test_the_area_under_the_drawn_steps_is_the_average_precision() -> None:
    random = np.random.default_rng(0)
    label = random.random(200) < 0.3
    score = np.round(random.random(200) + 0.3 * label, 1)  # heavy ties
    curve = pr_curve(score, label)
    result = EvaluationResult({"aucpr": 0.5}, tables={"pr_curve": curve})
    drawn = re.search(r'class="line a" d="([^"]+)"', plots.pr(result))
    assert drawn is not None
    top = 10 + 20  # one row of legend
    x_scale, y_scale = WIDTH - LEFT - RIGHT, HEIGHT - top - BOTTOM
    area, x = 0.0, float(LEFT)
    for y_text, x_text in re.findall(r"V([\d.]+)H([\d.]+)", drawn[1]):
        area += (float(x_text) - x) / x_scale * (HEIGHT - BOTTOM - float(y_text)) / y_scale
        x = float(x_text)
    assert area == pytest.approx(average_precision(score, label), abs=2e-3)


def test_the_intervals_of_the_reliability_diagram_are_wilsons() -> None:
    low, high = wilson(np.array([0.0, 0.3, 1.0]), np.array([20.0, 50.0, 10.0]))
    for place, (k, n) in enumerate(((0, 20), (15, 50), (10, 10))):
        expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
        assert (low[place], high[place]) == pytest.approx((expected.low, expected.high), abs=2e-4)


def test_where_a_class_is_rare_the_diagram_has_bins_of_equal_promise_too(shown: Shown) -> None:
    random = np.random.default_rng(1)
    odds = random.normal(-6.5, 2.5, 4000)
    p = 1 / (1 + np.exp(-odds))
    table = pd.DataFrame({"label": (random.random(4000) < p).astype(int), "score": p, "probability": p})
    table["group_id"] = np.arange(4000)
    for rows, drawn in ((table, True), (table[(table["label"] == 1) | (np.arange(4000) < 200)], False)):
        result = BinaryEvaluation(Bootstrap(20), ()).evaluate(rows.reset_index(drop=True))
        assert ("reliability_rare" in result.tables) == drawn
        assert ("bins of equal promise" in plots.reliability(result)) == drawn
        page = shown(sections_results.curves(report_of(result)))
        assert ("each promises as many of the rarer class" in page) == drawn
        if drawn:
            bins = result.tables["reliability_rare"]
            assert plots.reliability(result).count('class="hollow c"') == len(bins) + 1  # one in the legend
            assert bins["n"].sum() == 4000 and bins["n"].iloc[0] > 5 * bins["n"].iloc[-1]


def test_every_note_ends_with_one_full_stop() -> None:
    result = EvaluationResult({"aucpr": 0.5}, remarks=["A sentence.", "a line of a console"])
    report = report_of(result, domain_of_validity={"words": "3 of 4 samples lie outside"})
    assert sections_head.remarks(report) == ["A sentence.", "a line of a console.", "3 of 4 samples lie outside."]


def test_plots_leave_out_what_is_not_finite_and_escape_names() -> None:
    drawn = plot([Line([0, 1, 2], [0.5, float("nan"), 0.7], "<b>", points=True)], "x&y", "y", 't"', (0, 2), (0, 1))
    assert drawn.count("<circle") == 3  # two points and the legend's
    assert "nan" not in drawn
    assert "&lt;b&gt;" in drawn
    assert "x&amp;y" in drawn


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-4.0, 0.0), (0.031, 0.0312), (3.0, 47000.0)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    values = ticks(low, high)
    assert 2 <= len(values) <= 6
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)


def test_a_whisker_without_a_value_is_empty_and_one_outside_stays_inside() -> None:
    assert whisker(float("nan"), 0, 1, (0, 1), None, "") == ""
    drawn = whisker(0.5, -9.0, 9.0, (0, 1), None, "words")
    assert all(6 <= float(x) <= 174 for x in re.findall(r'x[12]="([\d.]+)"', drawn))


def test_numbers_are_shown_short_and_missing_ones_empty() -> None:
    assert [show(v) for v in (None, float("nan"), pd.NA)] == ["", "", ""]
    assert [show(v) for v in (12000.0, 0.123456, True, 12000, float("inf"))] == [
        "12,000",
        "0.1235",
        "yes",
        "12,000",
        "inf",
    ]
    assert fixed(0.00001) == "1.0e-05"
    assert fixed(0.0) == "0.000"
    assert show({"real": 3, "bogus": 12000}) == "real: 3, bogus: 12,000"


def test_the_confusion_matrix_puts_counts_in_their_cells(shown: Shown) -> None:
    result = result_of()
    page = shown(sections_results.operating(report_of(result)))
    cells = [int(text.replace(",", "")) for text in re.findall(r'class="heat"[^>]*>([\d,]+)<', page)]
    metrics = result.metrics
    assert cells == [metrics["tp"], metrics["fn"], metrics["fp"], metrics["tn"]]


def test_a_confusion_matrix_of_many_classes_is_shown_as_it_is(shown: Shown) -> None:
    table = pd.DataFrame({"truth": ["a", "b", "c"], "a": [5, 0, 1], "b": [0, 7, 1], "c": [0, 0, 0]})
    page = shown(sections_results.operating(report_of(EvaluationResult({}, tables={"confusion": table}))))
    assert re.findall(r'class="heat"[^>]*>([\d,]+)<', page) == ["5", "0", "0", "0", "7", "0", "1", "1", "0"]


def test_a_breakdown_cell_with_one_class_stays_empty(shown: Shown) -> None:
    rows = {"value": ["A", "(4.0, 6.2]"], "n": [10.0, 20.0], "positives": [0.0, 4.0], "groups": [5.0, 9.0]}
    rows |= {"aucpr": [np.nan, 0.8], "low": [np.nan, 0.8], "high": [np.nan, 0.8], "recall": [np.nan, 0.5]}
    result = EvaluationResult({"aucpr": 0.7}, tables={"breakdown/mission": pd.DataFrame(rows)})
    page = shown(sections_results.breakdowns(report_of(result)))
    assert page.count('class="whisker"') == 1
    assert "4.0 to 6.2" in page
    assert "no width" in page
    assert "nan" not in page


def test_where_nothing_was_calibrated_no_number_stands_twice(shown: Shown) -> None:
    values: dict[str, float | None] = {"nll": 0.2, "ece": 0.1, "nll_change": 0.0}
    twice = EvaluationResult(values | {"nll_uncalibrated": 0.2, "ece_uncalibrated": 0.1})
    apart = EvaluationResult(values | {"nll_uncalibrated": 0.3, "ece_uncalibrated": 0.1})
    for result, stands in ((twice, False), (apart, True)):
        assert ("raw score" in shown(sections_results.numbers(report_of(result)))) == stands
        chosen = {"kind": "none", "calibrated": True, "threshold": 0.5}
        card = card_text(report_of(result, calibration=chosen))["model_card.md"]
        assert ("raw score" in card) == stands
        assert "kind: none was needed" in card and "calibrated: yes: the score itself is the probability" in card


def test_a_result_without_anything_known_is_still_a_report(shown: Shown) -> None:
    result = EvaluationResult({"leaf/macro_f1/64d": 0.4, "odd": None}, headline="leaf/macro_f1/64d", why={"odd": "few"})
    report = report_of(result)
    assert "macro-F1 of the leaves at 64 days is 0.400 (no interval" in sections_head.sentence(report)
    assert "few" in shown(sections_results.numbers(report))
    assert sections_results.curves(report) is None
    assert sections_results.operating(report) is None
    assert sections_run.training(report) is None


def test_the_headline_of_a_tree_stands_beside_a_guess_and_its_baseline() -> None:
    metrics: dict[str, float | None] = {
        "leaf/macro_f1/64d": 0.4,
        "leaf/macro_f1_guess/64d": 0.1,
        "leaf/baseline_macro_f1/64d": 0.5,
    }
    result = EvaluationResult(
        metrics,
        headline="leaf/macro_f1/64d",
        intervals={"leaf/baseline_macro_f1/64d": (0.45, 0.55)},
    )
    report = report_of(result)
    assert "; a guess gives 0.100, boosted trees on features give 0.500." in sections_head.sentence(report)
    made = sections_head.headline(report)
    assert [(cell["title"], cell["value"], cell["below"]) for cell in made["cells"][1:]] == [
        ("a guess", "0.100", ""),
        ("boosted trees on features", "0.500", "0.450 to 0.550"),
    ]
    scale = made["scale"]
    assert (scale["guess"], scale["guess_words"]) == ("10.00", "a guess")
    assert scale["baselines"] == [("boosted trees on features", "50.00")]


def test_numbers_of_a_tree_are_those_of_the_headlines_window(shown: Shown) -> None:
    metrics: dict[str, float | None] = {"n": 9.0}
    metrics |= {f"leaf/macro_f1/{day}d": day / 100 for day in (1, 2, 4, 64)}
    page = shown(sections_results.numbers(report_of(EvaluationResult(metrics, headline="leaf/macro_f1/64d"))))
    assert "macro-F1 of the leaves at 64 days" in page and "at 4 days" not in page
    assert "The 3 numbers of other windows of days stand in metrics.json." in page
    whole = shown(sections_results.numbers(report_of(EvaluationResult(metrics, headline="n"))))
    assert "at 4 days" in whole and "other windows" not in whole


def test_tables_have_words_for_columns_and_one_for_an_interval() -> None:
    raw = {"level": ["leaf"], "days": [4.0], "n": [360.0], "macro_f1": [0.25], "nll_prior": [1.0], "ece_excess": [0.1]}
    ends = {"macro_f1_low": [0.2], "macro_f1_high": [0.3]}
    made = readable(pd.DataFrame(raw | ends))
    assert made.columns.tolist() == ["level", "days", "objects", "macro-F1", "95 % interval"]
    assert made.iloc[0].tolist() == ["the leaves", 4.0, 360.0, "0.250", "0.200 to 0.300"]
    ranked = readable(pd.DataFrame({"aucpr": [0.5, 0.25], "low": [0.4, None], "high": [0.6, None]}))
    assert ranked.to_numpy().tolist() == [["0.500", "0.400 to 0.600"], ["0.250", ""]]


def test_pictures_say_what_they_show(shown: Shown) -> None:
    """A referee asked which stamp is the reference, what dark red is, and why a faded source is bright."""
    buffer = io.BytesIO()
    Image.new("L", (189, 63)).save(buffer, "PNG")
    pictures = {"Nearest to the threshold": [SamplePicture("a", buffer.getvalue())]}
    bare = replace(report_of(result_of()), samples=pictures)
    stamps = replace(bare, record={"dataset": {"channels": ["science", "reference", "difference"]}})
    page = shown(sections_results.samples(stamps))
    assert "From left to right: science, reference, difference" in page and "Dark red is no data" in page
    assert "Dark red" not in shown(sections_results.samples(bare))


def test_signs_are_said_in_words(shown: Shown) -> None:
    cell = {"n": 9, "positives": 2, "groups": 9, "aucpr": 0.5, "low": 0.2, "high": 0.8}
    found = pd.DataFrame([{"value": sign, **cell} for sign in ("1", "-1")])
    page = shown(sections_results.breakdowns(report_of(EvaluationResult({}, tables={"breakdown/sign": found}))))
    assert "brightened" in page and "faded" in page


def test_a_curve_gets_the_room_of_two_stamps() -> None:
    def drawn(width: int, height: int) -> SamplePicture:
        buffer = io.BytesIO()
        Image.new("L", (width, height)).save(buffer, "PNG")
        return SamplePicture("x", buffer.getvalue())

    pictures = [drawn(*size) for size in ((640, 290), (573, 189), (64, 64))]
    assert [view.css for view in views.gallery(pictures)] == ["broad", "", ""]


def test_an_audit_that_is_off_or_leaks_is_an_alarm(shown: Shown) -> None:
    result = result_of()
    off = report_of(
        result, audit={"ok": True, "mode": "off", "checked": [], "findings": [], "confounding": {"why": "off"}}
    )
    assert "switched off" in sections_head.alarms(off)[0]
    finding = {"kind": "duplicate stamps", "message": "1 pair.", "pairs": [{"train": "a", "test": "b"}]}
    leaky = report_of(result, audit={"ok": False, "mode": "warn", "checked": ["ids"], "findings": [finding]})
    assert "1 pair." in sections_head.alarms(leaky)[0]
    pictures = [SamplePicture("a ~ b", stamp_png(np.ones((1, 5, 5))))]
    assert "Pairs that leak" in shown(sections_run.audit(replace(leaky, audit_pictures=pictures)))


def test_each_round_of_a_k_fold_run_is_drawn(shown: Shown) -> None:
    rows = [
        {"round": r, "epoch": float(e), "train/loss": 1.0 / (e + 1), "val/loss": 2.0}
        for r in range(3)
        for e in range(4)
    ]
    drawn = shown(sections_run.training(replace(report_of(result_of()), history=pd.DataFrame(rows))))
    assert drawn.count('<path class="line a thin"') == 3
    assert drawn.count(">train/loss<") == 1


def test_a_stretch_shows_faint_and_bright_and_marks_what_is_missing() -> None:
    random = np.random.default_rng(0)
    stamp = random.normal(size=(31, 31))
    stamp[9:12, 9:12] = 5000.0
    stamp[5, 5], stamp[0, 0], stamp[1, 1] = 8.0, np.nan, np.inf
    stamp[20, 20] = -8.0
    shown = stretched(stamp)
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert shown[0, 0].tolist() == shown[1, 1].tolist() == list(MISSING)
    grey = shown[..., 0]
    assert grey[20, 20] < np.median(grey) < grey[5, 5] < grey[10, 10]
    assert grey[5, 5] - np.median(grey) > 0.1


@pytest.mark.parametrize("value", [0.0, np.nan, 1e6])
def test_a_stamp_of_one_value_can_be_drawn(value: float) -> None:
    png = stamp_png(np.full((3, 9, 9), value), scale=1)
    assert imread(io.BytesIO(png)).shape[:2] == (9, 29)


def test_a_contact_sheet_takes_stamps_of_several_sizes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    stamps = [stamp_png(random.normal(size=(3, side, side))) for side in (63, 30)]
    rows = {"surely real": [("a\n0.99", stamps[0]), ("b\n0.98", stamps[1])]}
    write_contact_sheet(tmp_path / "sheet.png", rows, ("science", "reference", "difference"))
    assert imread(tmp_path / "sheet.png").shape[0] > 100
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_a_model_card_is_strict_json_and_its_markdown_cannot_be_broken_out_of() -> None:
    report = report_of(result_of(), cost={"wall_seconds": float("nan")}, labels={"source": "<img src=x> [a](b)"})
    text = card_text(report)
    card = json.loads(text["model_card.json"], parse_constant=lambda name: pytest.fail(name))
    assert card["Cost"]["wall_seconds"] is None
    assert card["Where it does well and where not"]["mission A"].startswith("AUCPR 0.")
    assert "<img" not in text["model_card.md"].replace("\\<img", "")


def test_a_domains_figures_and_matrices_are_shown_once(shown: Shown) -> None:
    from matplotlib.figure import Figure

    def draw() -> Figure:
        figure = Figure(figsize=(1, 1))
        figure.subplots()
        return figure

    matrix = pd.DataFrame({"truth": ["a", "b"], "a": [5, 1], "b": [2, 7]})
    tables = {"confusion/leaf": matrix, "metrics_over_days": pd.DataFrame({"days": [4, 16], "f1": [0.2, 0.3]})}
    figures = {"Confusion, leaf, 64 days": draw, "Metrics over days": draw}
    page = shown(sections_results.further(report_of(EvaluationResult({}, tables=tables, figures=figures))))
    assert re.findall(r'class="heat"[^>]*>([\d,]+)<', page) == ["5", "2", "1", "7"]
    assert page.count("<img") == 1
    assert "Metrics over days." in page


def test_samples_without_a_probability_are_counted_below_the_thresholds(shown: Shown) -> None:
    result = result_of()
    assert "are not in it" not in shown(sections_results.operating(report_of(result)))
    result.tables["thresholds"].attrs["without"] = 40
    assert "Of 340 samples 40 are not in it" in shown(sections_results.operating(report_of(result)))


def test_multiplied_artefacts_are_said_at_the_top_in_the_data_and_on_the_card(shown: Shown) -> None:
    many, real, unknown = (report_of(result_of(), dataset={"artefacts": of}) for of in ([12.0], [1.0], []))
    said = "hold 12 times the artefacts of real ones"
    assert said in sections_head.remarks(many)[0] and said in card_text(many)["model_card.md"]
    for report in (real, unknown):
        assert not any("artefacts of real" in words for words in sections_head.remarks(report))
    pages = [shown(sections_run.data(report)) for report in (many, real, unknown)]
    assert ["artefacts times real" in page for page in pages] == [True, True, False]
