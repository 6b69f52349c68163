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


def test_the_split_of_the_page_refuses_before_a_plate_is_made(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "experiment=spectra", "split.test=9", "paths.run_dir=r", "paths.data=d"]) == 2
    assert "expected a plate to train on\n        got 8 plates" in capfd.readouterr().err
    assert not Path("d").exists() and not Path("r").exists()


def test_an_error_of_a_guest_class_ends_in_words_that_name_it(
    site: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = PACKAGE["training.py"].replace("def check_first", "def unused")
    broken = broken.replace("self._refuse_too_few(plates)", "1 / 0")
    announce(site, "toy_spectra", {**PACKAGE, "training.py": broken}, version="0.3.1")
    folders = [f"paths.run_dir={tmp_path}/run", f"paths.data={tmp_path}/data", "simulate.n=40", "logger=none"]
    assert run(["train", "experiment=spectra", *folders]) == 1
    said = capfd.readouterr().err
    told = said.strip().splitlines()[-3:]
    assert told[0] == "astrid: expected toy_spectra.training.PlateSplit.plan to end without an error"
    assert "ZeroDivisionError: division by zero" in told[1] and "Traceback" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("split.test=0", "for instance split.test=2"),
        ("channels=sigma", "leave out channels="),
        ("augment=dihedral", "SpectraData has no augment"),
        ("channels.size=21", "leave out channels="),
    ],
)
def test_what_has_no_effect_or_no_such_value_is_refused(
    toy: Path, words: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "experiment=spectra", *words.split(), "paths.run_dir=r", "paths.data=d"]) == 2
    assert told in capfd.readouterr().err
