"""A prediction that is killed, typed again: bytes as if nothing had been; a file that kills costs itself alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from made.untrained import Untrained, untrained

from astrid_ml.checkpoint.load import read_record
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.local import Processes, Serial
from astrid_ml.run.prediction.predict import Workplace, predict_files
from astrid_ml.run.prediction.readers import Reader
from astrid_ml.run.prediction.scoring import Scoring


@dataclass(frozen=True)
class Files:
    """A stamp of noise for each file; what the file says is done to the process that reads it."""

    domain: ClassVar[str] = "files"
    version: ClassVar[int] = 1

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        return [Unit(path.name, (path,)) for path in sorted(raw[0].iterdir())]

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        said = unit.inputs[0].read_text()
        if said == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if said == "hang":
            time.sleep(3600)
        if said.startswith("once"):  # kills the first process that reads it
            flag = Path(said.split()[1])
            if not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        table = pd.DataFrame({"id": [unit.id], "group_id": [unit.id], "stamp_h": 63, "stamp_w": 63})
        stamps = np.random.default_rng(len(unit.id)).normal(size=(1, 3, 63, 63))
        writer.add(table, {"stamps": stamps.astype(np.float32)})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        return index, []

    def describe(self) -> dict[str, Any]:
        return {"channels": ["science", "reference", "difference"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("made"))


def predicted(made: Untrained, raw: Path, folder: Path, executor: Any) -> dict[str, Any]:
    record, _ = read_record(made.checkpoint)
    reader = Reader("files", Files(), Files().plan([raw]), (raw,))
    scoring = Scoring(made.checkpoint, record.config)
    return predict_files(scoring, record, reader, Workplace(folder, executor, progress=False))


def written(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
def test_hostile_files_cost_themselves(made: Untrained, tmp_path: Path) -> None:
    raw = written(tmp_path / "raw", a="", bb="kill", ccc="hang", dddd="")
    limits = Limits(seconds=45, seconds_per_mb=0, retries=0)  # libraries are loaded within it
    report = predicted(made, raw, tmp_path / "out", Processes(2, limits))
    assert [failed["unit"] for failed in report["failed_units"]] == ["bb", "ccc"]
    assert "was killed" in report["failed_units"][0]["reason"]
    assert "executor.limits.seconds" in report["failed_units"][1]["reason"]
    assert pd.read_parquet(tmp_path / "out" / "predictions.parquet")["id"].tolist() == ["a", "dddd"]
    for name in ("bb", "ccc"):
        (raw / name).unlink()
    assert predicted(made, raw, tmp_path / "clean", Serial())["scored"] == 2
    one, other = (tmp_path / name / "predictions.parquet" for name in ("out", "clean"))
    assert one.read_bytes() == other.read_bytes()


def test_a_worker_that_is_killed_once_leaves_no_trace(made: Untrained, tmp_path: Path) -> None:
    raw = written(tmp_path / "raw", a="", bb=f"once {tmp_path / 'flag'}", ccc="")
    report = predicted(made, raw, tmp_path / "out", Serial(Limits(backoff=0)))
    assert (tmp_path / "flag").exists() and report["failed"] == 0
    predicted(made, raw, tmp_path / "again", Serial())
    for name in ("predictions.parquet", "report.json", "contact_sheet.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_file_that_kills_costs_itself(made: Untrained, tmp_path: Path) -> None:
    raw = written(tmp_path / "raw", a="", bb="kill", ccc="")
    report = predicted(made, raw, tmp_path / "out", Serial(Limits(retries=0)))
    assert [failed["unit"] for failed in report["failed_units"]] == ["bb"]
    assert pd.read_parquet(tmp_path / "out" / "predictions.parquet")["id"].tolist() == ["a", "ccc"]


def astrid(made: Untrained, folder: Path, *words: str) -> list[str]:
    given = [f"ckpt_path={made.checkpoint}", f"input={made.raw}", f"output_dir={folder}", *words]
    return [sys.executable, "-m", "astrid_ml", "predict", *given]


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on(made: Untrained, tmp_path: Path) -> None:
    subprocess.run(astrid(made, tmp_path / "undisturbed"), check=True, stdout=subprocess.DEVNULL)
    command = subprocess.Popen(astrid(made, tmp_path / "out"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while command.poll() is None and not list((tmp_path / "out").glob("parts/*.json")):
        time.sleep(0.005)
    command.kill()
    command.wait()
    subprocess.run(astrid(made, tmp_path / "out", "executor=processes"), check=True, stdout=subprocess.DEVNULL)
    for name in ("predictions.parquet", "report.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


@pytest.mark.slow
def test_shards_from_the_command_line_fill_one_folder(made: Untrained, tmp_path: Path) -> None:
    for words in ("shard=1/2", "shard=2/2", "shard=join"):
        subprocess.run(astrid(made, tmp_path / "out", words), check=True, stdout=subprocess.DEVNULL)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["scored"] == 40 and report["failed"] == 0
    other = subprocess.run(
        astrid(made, tmp_path / "out", "shard=1/2", "datamodule.batch_size=3"), check=False, capture_output=True
    )
    assert other.returncode == 2
