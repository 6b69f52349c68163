"""What a contributor adds, counted by doing: the files below and no edit elsewhere, in a copy of the source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NETWORK = {
    "models/own.py": """
from torch import Tensor, nn


class OwnNetwork(nn.Module):
    def __init__(self, in_channels: int = 3, width: int = 4) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(in_channels, width, 3), nn.Linear(width, 1)

    def forward(self, images: Tensor, features: Tensor | None = None) -> Tensor:
        return self.head(self.conv(images).amax((-2, -1)))[:, 0]
""",
    "conf/model/own.yaml": """
# One convolution.
defaults:
  - _realbogus
  - _self_
network:
  _target_: astrid_ml.models.own.OwnNetwork
  in_channels: 3
  width: 4
""",
}
STEP = {
    "preprocessing/differencing/sky/own.py": """
from dataclasses import dataclass

from astrid_ml.preprocessing.differencing.frame.image import Image


@dataclass(frozen=True)
class OwnSky:
    level: float = 0.0

    def __call__(self, image: Image) -> Image:
        return image.with_(data=image.data - self.level)
""",
    "conf/preprocessing/differencing/background/own.yaml": """
# @package preprocessing.background
# A level that the user knows.
_target_: astrid_ml.preprocessing.differencing.sky.own.OwnSky
level: 0.0
""",
}
COMMAND = {
    "preprocessing/own_hello.py": """
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class OwnHelloCommand:
    catalogue: str

    def run(self) -> dict[str, Any]:
        return {"there": Path(self.catalogue).exists(), "catalogue": self.catalogue}
""",
    "conf/own_hello.yaml": """
# says whether a catalogue is there
# astrid own-hello catalogue=FILE
defaults:
  - _verb
  - _self_

catalogue: ???
command:
  _target_: astrid_ml.preprocessing.own_hello.OwnHelloCommand
  catalogue: ${catalogue}
""",
}
EXPERIMENT = {
    "conf/experiment/own.yaml": """
# @package _global_
# Triplets, judged by a split of the sky.
# astrid train experiment=own
defaults:
  - override /simulate: triplets
  - override /split: sky
  - _self_

name: own
""",
}
FORMAT = {
    "preprocessing/lightcurves/readers/own_format.py": """
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account, assemble
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths


@dataclass(frozen=True)
class OwnReader:
    kind: ClassVar[str] = "own"
    known_as: ClassVar[str] = "files *.own"
    grouped: ClassVar[bool] = False
    cut: ClassVar[bool] = False

    def recognise(self, path: Path) -> CurveSource | None:
        return CurveSource(self, path, {}) if path.suffix == ".own" else None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        rows = pd.read_csv(source.path)
        objects = pd.DataFrame({"object_id": ["x"], "label": [None], "survey": ["own"], "flux_kind": ["difference"]})
        epochs = rows.assign(object_id="x", flux_err=1.0, phot_flag=np.int32(0))
        yield assemble(objects, epochs, account, wavelengths)


READERS: tuple[CurveReader, ...] = (OwnReader(),)
""",
}
KIND = {
    "preprocessing/own_kind.py": """
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.plugins import Drop, Unit, UnitWriter


@dataclass(frozen=True)
class OwnPipeline:
    domain: ClassVar[str] = "own_kind"
    version: ClassVar[int] = 1
    scale: float = 1.0

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(path.name, (path,)) for place in raw for path in sorted(place.glob("*.own"))]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        values = np.loadtxt(unit.inputs[0]) * self.scale
        names = [f"{unit.id}-{i}" for i in range(len(values))]
        writer.add(pd.DataFrame({"id": names, "group_id": names, "label": values > 0}), {"values": values[:, None]})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {"channels": ["value"]}
""",
    "conf/preprocessing/own_kind.yaml": """
# Numbers, one a line.
_target_: astrid_ml.preprocessing.own_kind.OwnPipeline
scale: 1.0
""",
    "datamodules/own_values.py": """
from typing import Any, ClassVar

import torch

from astrid_ml.plugins import PreparedDataModule


class OwnData(PreparedDataModule):
    reads: ClassVar[tuple[str, ...]] = ("own_kind",)

    def make_batch(self, source: Any, rows: Any, generator: Any, train: bool) -> dict[str, torch.Tensor]:
        return {"x": torch.from_numpy(source.gather("values", rows)).float(), "y": torch.zeros(len(rows))}
""",
    "conf/datamodule/own_values.yaml": """
# Numbers.
_target_: astrid_ml.datamodules.own_values.OwnData
batch_size: 8
eval_batch_size: 8
num_workers: 0
balance: none
undersample_ratio: 3.0
""",
}
ADDED = {"network": NETWORK, "step": STEP, "command": COMMAND, "experiment": EXPERIMENT, "format": FORMAT, "kind": KIND}
COUNTS = {"network": 2, "step": 2, "command": 2, "experiment": 1, "format": 1, "kind": 4}  # with its datamodule


@pytest.fixture(scope="module")
def copy(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with all of the files above."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("conf", "datamodules", "models", "preprocessing", "astrid_ml"):
        shutil.copytree(repository / name, root / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for files in ADDED.values():
        for name, text in files.items():
            assert not (root / name).exists()
            (root / name).write_text(text.lstrip("\n"), encoding="utf-8")
    return root


def in_copy(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True)


def test_the_counts_are_what_contributing_says() -> None:
    assert {name: len(files) for name, files in ADDED.items()} == COUNTS


CHECK = """
import numpy as np, pandas as pd, torch, sys
from pathlib import Path
import astrid_ml
from astrid_ml.build import build, plain
from astrid_ml.config import compose, domains
from astrid_ml.run.parts import check_parts
from astrid_ml.run.prepare import prepare
assert Path(astrid_ml.__file__).parent.parent == Path.cwd()
places = ["paths.run_dir=r", "paths.sweep_dir=s", "paths.data=store"]
check_parts(plain(compose("train", ["experiment=realbogus_triplets", "model=own", *places])))
check_parts(plain(compose("train", ["experiment=own", *places])))
words = ["preprocessing/differencing/background=own", "preprocessing.background.level=3"]
words += ["science.path=a", "reference.path=b", "output_dir=c"]
step = build(plain(compose("difference", words).preprocessing))
assert step.background.level == 3
Path("raw").mkdir()
rows = pd.DataFrame({"mjd": [1.0, 2.0, 3.0], "flux": [5.0, 9.0, 2.0], "band": ["r", "g", "r"]})
rows.to_csv("raw/a.own", index=False)
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves
(source,) = find_curves([Path("raw")]).sources
(table,) = source.read(Account())
assert len(table) == 1 and table.flux.tolist() == [5.0, 9.0, 2.0], table.flux
Path("values").mkdir()
np.savetxt("values/a.own", [1.0, -2.0, 3.0])
words = ["preprocessing=own_kind", "datamodule=own_values", "label=none", "paths.raw=values", "name=own_kind", *places]
dataset, _ = prepare(plain(compose("train", words)), progress=False)
assert dataset.gather("values", np.arange(3)).ravel().tolist() == [1.0, -2.0, 3.0] and "own_kind" in domains()
data = build(plain(compose("train", words).datamodule))
assert next(data.batches(dataset))[1]["x"].shape == (3, 1)
print("all there")
"""


def test_all_of_them_work_together_without_an_edit_elsewhere(copy: Path) -> None:
    done = in_copy(copy, "-c", CHECK)
    assert done.stdout.strip().endswith("all there"), done.stderr[-2000:]


def test_the_commands_file_survives_blanks_brackets_commas_and_equal_signs(copy: Path) -> None:
    (copy / "cat (1)=a,b.csv").write_text("")
    done = in_copy(copy, "-m", "astrid_ml", "own-hello", "catalogue=cat (1)=a,b.csv")
    assert done.stdout.splitlines() == ["there: True", "catalogue: cat (1)=a,b.csv"], done.stderr[-2000:]
    assert "own-hello" in in_copy(copy, "-m", "astrid_ml", "--help").stdout
