"""Views as the pages show them; a headless browser, where there is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from made.browser import browse, chromium, visit  # noqa: F401  fixtures

from astrid_ml.report.pages import environment, render
from astrid_ml.report.views import SectionView, View


def markup(view: View | SectionView | None) -> str:
    """What a page would hold for one view; nothing for none."""
    if view is None:
        return ""
    if isinstance(view, SectionView):
        return render("section.html", section=view)
    piece: Callable[[View], str] = environment().get_template("macros.html").module.piece  # type: ignore[attr-defined]
    return str(piece(view))


@pytest.fixture(scope="session")
def shown() -> Callable[[View | SectionView | None], str]:
    """From a view to its markup."""
    return markup
