"""Every measured number of a page stands in docs/numbers.json with where it comes from, and agrees with it."""

from __future__ import annotations

import re
from typing import Any

import pages
import pytest
from blocks import FENCE, PAGES, REPOSITORY

RECORDS: list[dict[str, Any]] = pages.records()
RESULTS = (REPOSITORY / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
# A measured number has a decimal point or an exponent, or says how many times or per cent.
NUMBER = re.compile(r"(?<![\w.])[+-]?(?:\d*\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+|\d[\d,]*(?= (?:%|times )))(?!\d|\.\d|\w)")
SPAN = re.compile(r"`[^`]+`|\[[^\]]*\]\([^)]*\)")
# What looks like one and was not measured, with the reason.
LEVEL = "the level of an interval, a setting"
SETTINGS = {
    "docs/differencing.md": {"95": LEVEL},
    "docs/catalogues.md": {
        "2.5": "the definition of a magnitude",
        "10": "its logarithm",
        "27.5": "the zero point of light curves, a definition",
        "36.3078": "the same in nJy, arithmetic",
    },
    "README.md": {"3.11": "a version"},
    "docs/alerts.md": {"0.5": "the cut on drb, a setting"},
    "docs/datasets.md": {"1.1": "a version of Croissant"},
    "docs/first_run.md": {"95": LEVEL, "10": "the simulated prevalence, a setting"},
    "docs/layouts.md": {
        "2455197.5": "Gaia's zero of time, its documentation",
        "20.80": "the zero point of TESS, its handbook",
        "0.05": "how well its handbook knows it",
        "25.10": "the zero point of Kepler, its handbook",
        "8.3": "minutes of light from the Sun, arithmetic",
    },
    "docs/lightcurves.md": {
        "27.5": "the zero point of FLUXCAL",
        "2.5": "the definition of a magnitude",
        "31.4": "the zero point of nJy",
        "36.308": "10^((31.4 - 27.5) / 2.5)",
        "0.001": "the Sun's speed against the CMB, over that of light",
        "1.75": "the radius of a deep drilling field",
        "20": "a setting of the example",
        "95": LEVEL,
    },
    "docs/ramps.md": {
        "4.5": "the threshold, a setting",
        "3.5": "the threshold of candidates, a setting",
        "15": "the width of a class, a setting",
        "95": LEVEL,
    },
    "docs/referee.md": {
        "1.1": "a version of RO-Crate",
        "1e-6": "the tolerance of numbers, a setting",
        "1e-4": "the tolerance of scores, a setting",
    },
    "docs/report.md": {
        "99.9": "arithmetic of one in a thousand",
        "95": LEVEL,
        "98": "of validation that the threshold of the density keeps, a setting",
        ".872": "0.025^(1/27), Clopper and Pearson's closed form",
        "0.3": "an example of what the number means",
    },
    "docs/surveys.md": {
        "2.23": "1 / .4487, the variance of a median of three",
        "0.05": "the shortest wavelength of a description, a bound",
        "0.005": "the smallest pixel of a description, a bound",
    },
    "docs/splits.md": {
        "0.9": "the smallest zoom of a copy, a setting",
        "1.1": "the largest, a setting",
        "1.5": "a smoothing, a setting",
    },
    "docs/roman.md": {
        "2.5": "the definition of a magnitude",
        "26.0": "the limit of a label, a setting",
        "0.3": "the offset that is warned of, a setting",
    },
}


def test_every_sentence_agrees_with_what_was_measured() -> None:
    wrong = [text for record in RECORDS if (text := pages.misfit(record))]
    assert not wrong, "\n".join(wrong)


def test_a_number_that_was_changed_is_noticed() -> None:
    record = {**RECORDS[0], "values": [value * 1.5 for value in RECORDS[0]["values"]]}
    assert "measured" in pages.misfit(record)
    assert "does not say" in pages.misfit({**record, "sentence": "the moon is {} km away"})


def test_every_record_says_where_its_numbers_come_from() -> None:
    known = set(pages.MAKERS) | set(pages.LONG)
    for record in RECORDS:
        made_by = record["made_by"]
        assert made_by in known or made_by.startswith("training: astrid ") or (REPOSITORY / made_by).is_file(), made_by
        assert len(record["values"]) == len(record["tolerance"]) == record["sentence"].count("{}")
        assert made_by not in known or len(record["names"]) == len(record["values"])


def test_numbers_of_tests_benchmarks_and_trainings_are_read_where_they_stand() -> None:
    """A record names the sentence of its source: the test that asserts it, or its row of RESULTS.md."""
    for record in RECORDS:
        kind = record["made_by"].split("/")[0].split(":")[0]
        assert kind != "tests" or "asserted" in record, record["sentence"]
        assert kind not in ("benchmarks", "training") or "results" in record, record["sentence"]


def made_by(record: dict[str, Any]) -> list[str]:
    """The script or the commands of a record, as RESULTS.md writes them."""
    said = record["made_by"]
    return said.removeprefix("training: ").split("; ") if said.startswith("training: ") else [said.split("/")[-1]]


@pytest.mark.parametrize("record", [r for r in RECORDS if "results" in r], ids=lambda r: r["sentence"][:40])
def test_a_row_of_the_results_names_what_measured_it(record: dict[str, Any]) -> None:
    start = max(record["results"].split("{}"), key=len)
    rows = [line for line in RESULTS.splitlines() if start in line and pages.said(line, record["results"])]
    assert rows, record["results"]
    assert all(command in rows[0] for command in made_by(record)), rows[0]


SOURCED = [record for record in RECORDS if {"results", "asserted"} & set(record)]


@pytest.mark.parametrize("record", SOURCED, ids=lambda r: r["sentence"][:40])
def test_numbers_of_tests_and_benchmarks_are_those_of_their_source(record: dict[str, Any]) -> None:
    text = RESULTS if "results" in record else (REPOSITORY / record["made_by"]).read_text(encoding="utf-8")
    listed = pages.said(text, record.get("results") or record["asserted"])
    assert listed is not None, record
    assert set(record["values"]) <= set(listed)


@pytest.mark.parametrize("page", PAGES)
def test_no_measured_number_escapes(page: str) -> None:
    text = " ".join(SPAN.sub(" ", FENCE.sub(" ", (REPOSITORY / page).read_text(encoding="utf-8"))).split())
    for record in RECORDS:
        if record["page"] == page:
            sentence = " ".join(SPAN.sub(" ", record["sentence"]).split())
            pattern = r"[+-]?[\d.,e-]*\d".join(re.escape(part) for part in sentence.split("{}"))
            text = re.sub(pattern, " ", text)
    found = [number.lstrip("+-") for number in NUMBER.findall(text)]
    allowed = SETTINGS.get(page, {})
    left = [number for number in found if number not in allowed]
    assert not left, f"{page}: {left}: measured? then docs/numbers.json; a setting? then the list above"
    assert not set(allowed) - set(found), f"{page}: no longer there: {set(allowed) - set(found)}"


def test_numbers_that_nobody_claims_are_found() -> None:
    text = "an AUCPR of 0.91, 3 times as fast, 12 % more, to 1e-6, .5 of them; 1,200 % of x.5; in 3 files, at v1.2.3"
    assert NUMBER.findall(text) == ["0.91", "3", "12", "1e-6", ".5", "1,200"]


def test_the_demo_of_the_script_is_that_of_the_makefile() -> None:
    makefile = " ".join((REPOSITORY / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ").split())
    assert " ".join(pages.DEMO).replace("demo/", "$(DEMO)/") in makefile
    assert "DEMO := demo" in makefile


def test_every_picture_of_the_pages_is_drawn_by_the_script() -> None:
    drawn = set(re.findall(r'"(\w+\.png)"', (REPOSITORY / "benchmarks" / "pages.py").read_text(encoding="utf-8")))
    stored = {path.name for path in (REPOSITORY / "docs").glob("*.png")}
    texts = [(REPOSITORY / page).read_text(encoding="utf-8") for page in PAGES]
    shown = {name for text in texts for name in re.findall(r"\((?:docs/)?(\w+\.png)\)", text)}
    assert stored == shown
    assert stored <= drawn
