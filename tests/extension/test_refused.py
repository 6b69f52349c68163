"""What the package of docs/extending.md refuses, and what it must not refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from made.plugin import announce, files_of_the_page, site

from astrid_ml.cli.main import run

__all__ = ["site"]
PACKAGE = {name.partition("/")[2]: text for name, text in files_of_the_page().items() if "/" in name}


@pytest.fixture
def toy(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of the page, as if it were installed; commands run in an empty folder."""
    place = Path(announce(site, "toy_spectra", PACKAGE, version="0.3.1"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return place


def test_a_number_whose_comment_begins_with_files_is_no_path(toy: Path) -> None:
    assert run(["simulate", "what=spectra", "simulate.n=40", "simulate.plates=4", "output_dir=out"]) == 0
    assert len(list(Path("out").glob("*.spectra.parquet"))) == 4
