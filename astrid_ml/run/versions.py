"""Versions of what computes a result."""

from __future__ import annotations

import importlib.metadata
import platform

from astrid_ml import __version__
from astrid_ml.installed import sound

PACKAGES = (
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
    """Package -> version, with Python's own and those of plugins; a package that is absent is left out."""
    # Our own version is that of the code which runs: what an editable install once noted may be older.
    out = {"python": platform.python_version(), "astrid-ml": __version__}
    for name in PACKAGES:
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return out | {plugin.distribution: plugin.version for plugin in sound()}
