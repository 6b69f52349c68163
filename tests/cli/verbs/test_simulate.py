"""Simulating from the command line: the same seed gives the same bytes; without a kind the kinds are listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrid_ml.build import conf_folder
from astrid_ml.cli.verbs.simulate import command
from astrid_ml.config import compose
from astrid_ml.errors import UserError


def simulated(folder: Path, seed: int) -> dict[str, bytes]:
    words = ["simulate=triplets", "simulate.n=6", "simulate.missions=[PS1]", f"data.seed={seed}"]
    assert command(compose("simulate", [*words, f'output_dir="{folder}"'])) == 0
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".npy"}


def test_the_seed_decides_the_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, again, other = simulated(tmp_path / "1", 1), simulated(tmp_path / "again", 1), simulated(tmp_path / "2", 2)
    assert list(one) == ["triplets_PS1_000.npy"]
    assert one == again
    assert one != other
    lines = capsys.readouterr().out.splitlines()
    assert f"output_dir: {tmp_path / '1'}" in lines
    assert lines.count("triplets: 6") == 3


def test_without_a_kind_every_kind_is_listed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to simulate") as caught:
        command(compose("simulate", [f'output_dir="{tmp_path}/out"']))
    kinds = [path.stem for path in (conf_folder() / "simulate").glob("*.yaml") if path.stem != "none"]
    assert all(kind in caught.value.expected for kind in kinds)
    assert not (tmp_path / "out").exists()
