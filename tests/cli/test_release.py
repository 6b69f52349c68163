"""What a release says of itself: one version everywhere, and what a reader of the one before has to type now."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from astrid_ml import __version__
from astrid_ml.cli.main import run

ROOT = Path(__file__).parents[2]
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    released = re.search(r"^## ([\d.]+) \(([\d-]+)\)$", CHANGES, re.MULTILINE)
    assert released is not None
    assert project["version"] == __version__ == str(citation["version"]) == released[1]
    assert str(citation["date-released"]) == released[2]
    assert f"dist/astrid_ml-{__version__}-py3-none-any.whl" in (ROOT / "README.md").read_text(encoding="utf-8")


# Rows of "What breaks": the old words, the new ones, whether the old ones are still read.
WORDS = [
    ("predict task=ramps input=a output_dir=b predictor.processing.steps.max_jumps=3",
     "predict task=ramps input=a output_dir=b preprocessing.steps.max_jumps=3", False),
    ("train experiment=realbogus_triplets calibration.offset=true",
     "train experiment=realbogus_triplets calibration=temperature calibration.offset=true", False),
    ("train experiment=realbogus_triplets evaluation=binary_peak", "train experiment=realbogus_triplets", False),
    ("audit dataset=D audit.duplicates.similarity=0.9", "audit dataset=D audit.duplicates.correlation=0.9", False),
    ("train experiment=realbogus_triplets hydra.run.dir=R",
     "train experiment=realbogus_triplets paths.run_dir=R", False),
    ("baseline run=R", "baseline run_dir=R", True),
    ("croissant path=D", "croissant dataset=D", True),
    ("import-weights source=W output=C variant=d6_m7", "import-weights input=W ckpt_path=C variant=d6_m7", True),
    ("audit dataset=D checks.radius=1", "audit dataset=D audit.radius=1", True),
    ("score-ramps input=a output_dir=b load.gain=1",
     "score-ramps input=a output_dir=b preprocessing.load.gain=1", True),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "read"), WORDS)
def test_what_breaks_is_what_breaks(old: str, new: str, read: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*new.split(), "--cfg", "job"]) == 0
    wanted = capsys.readouterr().out
    assert (run([*old.split(), "--cfg", "job"]) == 0) == read
    told = capsys.readouterr()
    assert told.out == wanted if read else "expected" in told.err


def test_the_table_has_the_rows_that_are_tried() -> None:
    table = CHANGES.split("### What breaks")[1].split("### What is new")[0]
    for old, _, _ in WORDS:
        keys = [word.partition("=")[0].split(".")[0] for word in old.split()[1:]]
        assert any(key in table for key in keys), old
