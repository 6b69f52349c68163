"""Versions of what computes a result."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = (
    "astrid-ml",
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "scipy",
    "pandas",
    "astropy",
    "photutils",
)


def versions() -> dict[str, str]:
    """Package -> version, with Python's own; a package that is absent is left out."""
    out = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return out
