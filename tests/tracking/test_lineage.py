"""The lineage of a run: what its record says, and nothing else, whatever stands there."""

from __future__ import annotations

from typing import Any

import pytest

from astrid_ml.tracking.lineage import began, lineage_of

RECORD: dict[str, Any] = {
    "identity": "94e6d81e487191b1",
    "dataset": {"path": "data/x", "fingerprint": "f00d", "counts": {"samples": 1200}},
    "split": {"name": "group", "hash": "beef"},
    "seeds": {"seed": 1, "split.seed": None},
    "versions": {"torch": "2.13.0", "astrid-ml": "0.1.0", "scipy": "1.17"},
    "environment": {"system": "Linux x86_64", "accelerator": None},
    "stages": [{"name": "prepare", "started": "2026-11-29T20:28:33+00:00"}],
}


def test_it_is_what_the_record_says() -> None:
    assert lineage_of(RECORD) == {
        "identity": "94e6d81e487191b1",
        "dataset": "data/x",
        "fingerprint of the dataset": "f00d",
        "samples": "1,200",
        "split": "group beef",
        "seeds": "seed=1",
        "code": "astrid-ml 0.1.0, torch 2.13.0",
        "machine": "Linux x86_64",
        "began": "2026-11-29 20:28:33",
    }
    assert lineage_of({}) == {}


@pytest.mark.parametrize("odd", [None, 1, "x", [], [1], {}, {"path": 3}, True])
def test_anything_may_stand_in_any_place(odd: Any) -> None:
    for key in RECORD:
        found = lineage_of(RECORD | {key: odd})
        assert set(found) <= set(lineage_of(RECORD)) and all(isinstance(text, str) and text for text in found.values())
    assert began(odd) == ""
