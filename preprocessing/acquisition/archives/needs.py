"""Libraries of the extra ``archives``, which are imported when an archive is asked."""

from __future__ import annotations

import importlib
from typing import Any

from astrid_ml.errors import UserError


def astroquery_module(name: str) -> Any:
    """A module of astroquery.

    Args:
        name: ``mast``, ``skyview``.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(f"astroquery.{name}")
    except ModuleNotFoundError as error:
        raise UserError(
            "astroquery", f"no module {error.name}", "pip install 'astrid-ml[archives]' -c constraints.txt"
        ) from error
