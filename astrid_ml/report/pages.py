"""Pages from templates. The environment escapes every text; drawings of this package alone pass as markup."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from astrid_ml import __version__
from astrid_ml.printable import printable


@cache
def environment() -> Environment:
    """The templates of this package; a name that a page was not given is an error."""
    made = Environment(
        loader=PackageLoader("astrid_ml.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["anchor"] = anchor
    made.globals["version"] = __version__
    return made


def page(template: str, *, title: str, kicker: str, heading: str, lede: str, **content: Any) -> str:
    """A whole page in one file that asks the network for nothing.

    Args:
        template: extends ``base.html``.
        title: of the browser's tab.
        kicker: the kind of page, above its heading.
        heading: its name.
        lede: what was found, in a sentence or two; may be empty.
        content: what else the template places.
    """
    return printable(render(template, title=title, kicker=kicker, heading=heading, lede=lede, **content)) + "\n"


def comparison_page(
    verb: str, title: str, heading: str, words: Sequence[str], sections: Sequence[Any], sorts: bool = False
) -> str:
    """A page of networks side by side.

    Args:
        verb: that made it.
        title: of the browser's tab.
        heading: what is compared.
        words: what was found.
        sections: views of it.
        sorts: whether a click on a heading of a table sorts it.
    """
    return page(
        "comparison.html",
        title=title,
        kicker=f"astrid_ml {verb}",
        heading=heading,
        lede=" ".join(words),
        sections=sections,
        sorts=sorts,
    )


def board_page(places: Sequence[str], lede: str, library: str, live: bool) -> str:
    """The page of the board, which draws what the scripts beside it hold.

    Args:
        places: folders of runs.
        lede: how many there are.
        library: that draws, for the foot of the page.
        live: whether it looks for news.
    """
    named = ", ".join(places)
    return page(
        "board.html",
        title=f"Board of {named}",
        kicker="astrid_ml board",
        heading=f"Runs in {named}",
        lede=lede,
        library=library,
        live=live,
    )


def render(template: str, **content: Any) -> str:
    """Fill one template, with plain data: texts, numbers, views."""
    return environment().get_template(template).render(**content)


def drawn(markup: str) -> Markup:
    """A drawing of :mod:`astrid_ml.report.svg`, or a link: the only texts that reach a page unescaped."""
    return Markup(markup)  # its own texts are escaped where it is drawn


def address(target: Path, folder: Path) -> str:
    """How a page in a folder says where another file lies: relative, and quoted.

    Args:
        target: the file.
        folder: of the page.

    Example:
        >>> address(Path("a/b c/report.html"), Path("a/out"))
        '../b%20c/report.html'
    """
    return quote(os.fsencode(Path(os.path.relpath(target.resolve(), folder.resolve())).as_posix()))


def linked(text: str, target: Path, folder: Path) -> str:
    """A text that leads to a file, if the file is there; else the text alone, escaped.

    Args:
        text: that is clicked.
        target: the file.
        folder: of the page.
    """
    place = address(target, folder) if target.is_file() else ""
    return render("link.html", text=text, place=place).strip()


def anchor(text: str) -> str:
    """``Data and split`` -> ``data-and-split``."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
