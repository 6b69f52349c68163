"""Verbs of a science domain: build the ``command`` node and run it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from astrid_ml.build import build, plain
from astrid_ml.errors import UserError
from astrid_ml.printable import printable


def command(cfg: Any) -> int:
    """Run a domain's command and print its summary."""
    tree = plain(cfg)
    summary: dict[str, Any] = _built(tree).run()
    print_summary(summary)
    return 1 if summary.get("failed") else 0


def first(tree: Mapping[str, Any]) -> None:
    """Refuse one image of a pair without the other, before libraries are imported."""
    pair = {side: tree.get(side) for side in ("science", "reference")}
    frames = {side: frame for side, frame in pair.items() if isinstance(frame, Mapping)}
    absent = [f"{side}=FILE" for side, frame in frames.items() if frame.get("path") is None]
    if len(frames) == 2 and absent and "input" in tree and tree["input"] is None:
        named = " and ".join(absent)
        raise UserError("science=FILE and reference=FILE, or input=MANIFEST", f"no {named}", f"add {named}")


def check(cfg: Any) -> None:
    """Refuse what the command's classes refuse."""
    _built(plain(cfg))


def _built(tree: dict[str, Any]) -> Any:
    made = build(tree["command"], tree.get("trust", []))
    if not callable(getattr(made, "run", None)):
        got = f"{type(made).__name__}, which has none"
        raise UserError("command: a node with the _target_ of a class that has a method run()", got, "write that class")
    return made


def print_summary(summary: dict[str, Any]) -> None:
    """One ``name: value`` line each; nested values as JSON."""
    for name, value in summary.items():
        shown = value if isinstance(value, str | int | float) else json.dumps(value, default=str)
        print(printable(f"{name}: {shown}"))
