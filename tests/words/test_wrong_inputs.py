"""Whatever is typed wrong ends with 2 and a message that says what to do, before anything is prepared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PREPARED = ("units/", "dataset.json", ".npy", ".ckpt", ".fits", "predictions")


@pytest.fixture
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("words")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    command = [sys.executable, str(HERE / "table.py"), str(folder / "inputs"), str(folder / "rows.json")]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=folder)
    found: list[dict[str, Any]] = json.loads((folder / "rows.json").read_text())
    return found


def shown(row: dict[str, Any]) -> str:
    return f"astrid {' '.join(row['words'])}: {row['code']} {row['said'][-600:]}"


@pytest.mark.slow
def test_it_is_refused_with_the_message_that_helps_before_anything_is_prepared(rows: list[dict[str, Any]]) -> None:
    assert len(rows) > 150
    wrong = [shown(row) for row in rows if row["code"] != 2 or row["says"] not in row["said"]]
    assert not wrong, "\n".join(wrong)
    said = [shown(row) for row in rows if "Traceback" in row["said"] or row["said"].count("astrid: expected") != 1]
    assert not said, "\n".join(said)
    made = [
        f"{shown(row)}: {row['files'][:3]}"
        for row in rows
        if any(mark in name for name in row["files"] for mark in PREPARED)
    ]
    assert not made, "\n".join(made)
    left = [f"{shown(row)}: {row['files'][:3]}" for row in rows if row["files"]]
    assert not left, "\n".join(left)
