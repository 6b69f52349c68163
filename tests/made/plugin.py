"""Packages that announce options, as pip leaves them in a folder of packages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from astrid_ml.build import plugin_classes, registry
from astrid_ml.installed import announced

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
_FILE = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def announce(site: Path, name: str, files: Mapping[str, str], value: str | None = None, version: str = "1.2") -> Path:
    """Lay down a package and its record.

    Args:
        site: the folder of packages.
        name: of the package and of its entry point.
        files: below the package.
        value: of the entry point; the package's name by default.
        version: of the distribution ``NAME-options``.

    Returns:
        The package's folder.
    """
    for file, text in files.items():
        (site / name / file).parent.mkdir(parents=True, exist_ok=True)
        (site / name / file).write_text(text, encoding="utf-8")
    record = site / f"{name}_options-{version}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-options\nVersion: {version}\n")
    (record / "entry_points.txt").write_text(f"[astrid_ml.plugins]\n{name} = {name if value is None else value}\n")
    return site / name


def files_of_the_page() -> dict[str, str]:
    """The package that ``docs/extending.md`` writes out."""
    found = dict(_FILE.findall(PAGE.read_text(encoding="utf-8")))
    return {name: text for name, text in found.items() if not name.startswith("DIR/")}


def forget() -> None:
    """Let the next question look for installed packages anew."""
    for remembered in (announced, plugin_classes, registry):
        remembered.cache_clear()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages in which this process looks."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    forget()
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
    forget()
