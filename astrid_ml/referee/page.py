"""The page of a referee: one row an item."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from astrid_ml.referee.verdicts import DIFFERENT, EQUAL, NEAR, UNKNOWN, WITHOUT_DATA, Item
from astrid_ml.report import views
from astrid_ml.report.pages import comparison_page
from astrid_ml.report.views import SectionView

MEANS = {
    EQUAL: "computed again, and not a bit differs",
    NEAR: "computed again, and numbers differ by less than rounding on another machine may",
    DIFFERENT: "what the bundle says is not what is computed from it",
    WITHOUT_DATA: "give dataset=PREPARED, the dataset of the run",
    UNKNOWN: "nothing in the bundle proves or refutes it",
}


def referee_page(name: str, items: Sequence[Item]) -> str:
    """The page.

    Args:
        name: of the bundle.
        items: that were judged.
    """
    wrong = [item.name for item in items if item.verdict == DIFFERENT]
    words = [f"Different: {', '.join(wrong)}." if wrong else "Nothing that could be checked is different."]
    open_ = [item.name for item in items if item.verdict in (UNKNOWN, WITHOUT_DATA)]
    words += [f"Not checked: {', '.join(open_)}."] if open_ else []
    rows = [{"item": i.name, "verdict": i.verdict, "what": i.what, "found": i.found} for i in items]
    table = views.table(pd.DataFrame(rows), "Each item once, as it was found.")
    sections = [
        SectionView("Items", "pieces", {"pieces": [table]}),
        SectionView("Verdicts", "pieces", {"pieces": [views.facts(MEANS, "What a verdict means.")]}),
    ]
    return comparison_page("referee", f"Referee of {name}", f"{name}, computed again", words, sections)
