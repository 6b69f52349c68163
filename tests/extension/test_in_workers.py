"""A class that the user trusts, or that an installed package brings, works in the workers of every executor."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from made.plugin import announce, site

from astrid_ml.cli.main import run

__all__ = ["site"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
MODULE = '''
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
import pandas as pd
from astrid_ml.plugins import Unit

@dataclass(frozen=True)
class Scale:
    factor: float = 2.0
    def __call__(self, value):
        return value * self.factor

@dataclass(frozen=True)
class Numbers:
    """A sample for each file: the number in it, scaled."""
    scale: Scale
    domain: ClassVar[str] = "numbers"
    version: ClassVar[int] = 1
    def plan(self, raw):
        return [Unit(path.name, (path,)) for path in sorted(raw[0].iterdir())]
    def process(self, unit, writer, seed):
        value = self.scale(float(unit.inputs[0].read_text()))
        table = pd.DataFrame({"id": [unit.id], "group_id": [unit.id], "label": [1], "mission": ["toy"]})
        writer.add(table.assign(ra=1.0, dec=1.0, mjd=6e4), {"value": np.full((1, 1), value, np.float32)})
    def finalise(self, index):
        return index, []
    def describe(self):
        return {"kind": "numbers"}
'''
OPTION = "_target_: {module}.Numbers\nscale:\n  _target_: {module}.Scale\n  factor: 3.0\n"
EXECUTORS = {
    "serial": "executor=serial",
    "processes": "executor=processes executor.workers=2",
    "dask": "executor=dask executor.workers=1",
    "submitit": "executor=submitit executor.jobs=1",
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("serial", "dask")]


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(str(number))
    monkeypatch.chdir(tmp_path)
    return folder


def prepared(*words: str) -> int:
    return run(["prepare", "preprocessing=numbers", "paths.raw=raw", "paths.data=store", "label=none", *words])


@pytest.mark.parametrize("name", ["processes", "submitit", *SLOW])
def test_a_trusted_class_of_a_folder_of_ones_own(
    name: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / f"my_{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    (tmp_path / "conf" / "preprocessing").mkdir(parents=True)
    (tmp_path / "conf" / "preprocessing" / "numbers.yaml").write_text(OPTION.format(module=f"my_{name}"))
    words = [f"--config-dir={tmp_path / 'conf'}", *EXECUTORS[name].split()]
    assert prepared(*words, f"trust=[my_{name}.Numbers]") == 2
    assert f"my_{name}.Scale" in capsys.readouterr().err  # what is not trusted is not run, wherever
    assert prepared(*words, f"trust=[my_{name}.Numbers,my_{name}.Scale]") == 0
    assert "3 done" in capsys.readouterr().out
    del sys.modules[f"my_{name}"]


@pytest.mark.parametrize("name", ["processes", pytest.param("submitit", marks=pytest.mark.slow), *SLOW])
def test_a_class_of_an_installed_package(name: str, raw: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = f"of_{name}"
    files = {"__init__.py": "", "numbers.py": MODULE, "conf/__init__.py": ""}
    files["conf/preprocessing/numbers.yaml"] = OPTION.format(module=f"{module}.numbers")
    announce(site, module, files)
    assert prepared(*EXECUTORS[name].split()) == 0
    assert "3 done" in capsys.readouterr().out
