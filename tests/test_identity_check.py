"""The identity check in this checkout, by its path and by what is installed; ``wheel.sh`` runs it in two wheels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("where", ["checkout", "editable"])
def test_every_class_has_one_name(where: str, repository: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository) if where == "checkout" else ""}
    done = subprocess.run(
        [sys.executable, str(repository / "tests" / "identity_check.py")],
        cwd=repository if where == "checkout" else tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "targets at their true names" in done.stdout
