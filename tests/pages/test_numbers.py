"""Every measured number of a page stands in docs/numbers.json with where it comes from, and agrees with it."""

from __future__ import annotations

import re
from typing import Any

import pages
import pytest
from blocks import FENCE, PAGES, REPOSITORY

RECORDS: list[dict[str, Any]] = pages.records()
RESULTS = (REPOSITORY / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
# Their tables are printed; docs/ramps.md has them whole.
PRINTED = {"benchmarks/ramps_accuracy.py", "benchmarks/ramps_snowballs.py"}
# A measured number has a decimal point; those of these kinds are settings, definitions and versions.
DECIMAL = re.compile(r"(?<![\w.])[+-]?\d*\.\d+(?!\d|\.\d|\w)")
SPAN = re.compile(r"`[^`]+`|\[[^\]]*\]\([^)]*\)")
SETTINGS = {
    "README.md": {"99.99", "3.11"},
    "docs/alerts.md": {"0.5"},
    "docs/datasets.md": {"1.1"},
    "docs/lightcurves.md": {"27.5", "2.5", "31.4", "36.308", "0.001", "1.75"},
    "docs/ramps.md": {"4.5", "1.20.0", "3.5"},
    "docs/report.md": {"99.9"},
    "docs/roman.md": {"2.5", "26.0", "0.3"},
    "docs/differencing.md": set(),
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


def test_numbers_of_tests_and_benchmarks_are_read_where_they_stand() -> None:
    """A record names the sentence of its source; scripts that print tables without a row in RESULTS.md have none."""
    for record in RECORDS:
        kind = record["made_by"].split("/")[0]
        assert kind != "tests" or "asserted" in record, record["sentence"]
        assert kind != "benchmarks" or "results" in record or record["made_by"] in PRINTED, record["sentence"]


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
    left = [number for number in DECIMAL.findall(text) if number.lstrip("+-") not in SETTINGS.get(page, set())]
    assert not left, f"{page}: {left}: measured? then docs/numbers.json; a setting? then the list above"


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
