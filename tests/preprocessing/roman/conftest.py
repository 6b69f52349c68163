"""Small simulated job folders: one of each naming generation, and a dataset prepared from them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.labels import TruthLabel
from astrid_ml.preprocessing.roman.pipeline import RomanPipeline
from astrid_ml.preprocessing.roman.simulate import command
from astrid_ml.preprocessing.roman.simulate.command import SimulateRoman


@pytest.fixture(scope="session", autouse=True)
def _jobs_without_marks() -> Iterator[None]:
    """Jobs by their plain numbers, whatever the settings; tests/preprocessing/test_seeded.py looks at the marks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "settings_mark", lambda *_: "")
        yield


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """jid90821 (old names, one field) to jid90824 (2026 names, rimtimsim); 140 x 120 px."""
    folder = tmp_path_factory.mktemp("roman") / "raw"
    SimulateRoman(
        n=4, fields=2, shape=(140, 120), injections=900.0, transients=1100.0, bands=("Y106", "H158"), cosmic_rays=1500.0
    ).run(folder, 1)
    return folder


@pytest.fixture
def jobs(simulated: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(simulated, tmp_path / "raw"))


@pytest.fixture(scope="session")
def prepared(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    store = tmp_path_factory.mktemp("roman-store")
    outcome = prepare_dataset(RomanPipeline(), [simulated], store, name="roman", labeller=TruthLabel(), progress=False)
    return PreparedDataset(outcome.path)
