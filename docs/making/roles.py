"""Docstrings as the site reads them: roles become plain names, and an entry of two arguments becomes two."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?([^`<]+)`")
_SHARED = re.compile(r"^( +)(\w+(?:, \w+)+): ((?:.*\n?)(?:\1 +.*\n?)*)", re.MULTILINE)


class Roles(griffe.Extension):
    """Applied to every docstring before it is shown."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the text in place."""
        if obj.docstring is not None:
            text = _ROLE.sub(lambda found: f"`{found[1].strip()}`", obj.docstring.value)
            obj.docstring.value = _SHARED.sub(_apart, text)


def _apart(found: re.Match[str]) -> str:
    text = found[3].rstrip("\n")
    end = "\n" * (len(found[3]) - len(text))
    return "\n".join(f"{found[1]}{name}: {text}" for name in found[2].split(", ")) + end
