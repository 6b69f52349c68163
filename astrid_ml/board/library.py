"""The plotting library of the site: Vega-Lite, as the package vl-convert-python holds it."""

from __future__ import annotations

import importlib.util
import re
from functools import cache

from astrid_ml.errors import UserError

PACKAGE = "vl_convert"
INSTALL = "pip install 'astrid-ml[board]' -c constraints.txt"
SNIPPET = "window.vegaEmbed = vegaEmbed;"  # all that the page calls


def check_library() -> None:
    """Refuse before anything is read.

    Raises:
        UserError: the package is not installed.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise UserError("the package vl-convert-python, whose plots the board shows", "it is not installed", INSTALL)


@cache
def library() -> str:
    """The library as one script: Vega, Vega-Lite and Vega-Embed; nothing is fetched.

    Raises:
        UserError: the package is not installed.
    """
    check_library()
    import vl_convert

    return f"(()=>{{{vl_convert.javascript_bundle(SNIPPET)}}})();"


def named() -> str:
    """What stands in the library, for the foot of the page."""
    import vl_convert

    return f"Vega {vl_convert.get_vega_version()}, Vega-Lite {max(vl_convert.get_vegalite_versions(), key=_order)}"


def _order(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)]
