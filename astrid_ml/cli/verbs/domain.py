"""Verbs of a science domain: build the ``command`` node and run it."""

from __future__ import annotations

import json
from typing import Any

from astrid_ml.build import build, plain
from astrid_ml.printable import printable


def command(cfg: Any) -> int:
    """Run a domain's command and print its summary."""
    tree = plain(cfg)
    summary: dict[str, Any] = build(tree["command"], tree.get("trust", [])).run()
    print_summary(summary)
    return 1 if summary.get("failed") else 0


def print_summary(summary: dict[str, Any]) -> None:
    """One ``name: value`` line each; nested values as JSON."""
    for name, value in summary.items():
        shown = value if isinstance(value, str | int | float) else json.dumps(value, default=str)
        print(printable(f"{name}: {shown}"))
