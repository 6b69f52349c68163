"""The doctor's findings are what stands on this machine, and each cure is a line to type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from astrid_ml.cli.verbs import doctor
from astrid_ml.cli.verbs.doctor import command, findings

# A folder in which nobody, not even root, can make a file.
SEALED = Path("/proc")
sealed = pytest.mark.skipif(not SEALED.is_dir(), reason="needs a folder that cannot be written: /proc")


def test_what_is_installed_is_named_with_its_version(tmp_path: Path) -> None:
    found = list(findings(tmp_path, tmp_path))
    assert ("ok", f"numpy {np.__version__}") in found
    assert {mark for mark, _ in found} <= {"ok", "--", "!!"}


def test_what_is_missing_comes_with_the_line_that_cures_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "CORE", ["no-such-package"])
    monkeypatch.setattr(doctor, "EXTRAS", {"odd": ["numpy", "none-such"], "even": ["numpy"]})
    found = list(findings(tmp_path, tmp_path))
    assert ("!!", "no-such-package is missing: pip install no-such-package -c constraints.txt") in found
    assert ("--", "extra odd lacks none-such: pip install 'astrid-ml[odd]' -c constraints.txt") in found
    assert ("ok", "extra even") in found


def test_a_folder_yet_to_be_made_is_tried_at_its_parent(tmp_path: Path) -> None:
    said = [line for _, line in findings(tmp_path / "a" / "b", tmp_path)]
    assert any(line.startswith(f"store paths.data: {tmp_path} is writable") for line in said)
    assert list(tmp_path.iterdir()) == []


@sealed
def test_a_folder_that_cannot_be_written_is_one_to_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for store in (tmp_path, SEALED / "store"):
        code = command(OmegaConf.create({"paths": {"data": str(store), "run_dir": str(tmp_path / "run")}}))
        out = capsys.readouterr().out
        counts.append(out.count("!! "))
        assert code == (1 if counts[-1] else 0)
    assert counts[1] == counts[0] + 1
    assert "!! store paths.data: cannot write in /proc" in out
