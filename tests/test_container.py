"""The container's file: its steps can be done in an empty folder. No image is built: that takes a container tool."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docker" / "Containerfile"


def steps() -> list[tuple[str, str]]:
    """(instruction, the rest) of each line."""
    lines = FILE.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip() and not line.startswith("#")]  # type: ignore[misc]


def of(kind: str) -> list[str]:
    """What stands behind an instruction, wherever it is."""
    return [rest for name, rest in steps() if name == kind]


def project() -> dict[str, object]:
    content: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return content


def test_each_step_names_what_is_there() -> None:
    assert [name for name, _ in steps()] == [
        "FROM", "WORKDIR", "COPY", "RUN", "RUN", "ENV", "WORKDIR", "ENTRYPOINT", "CMD",
    ]  # fmt: skip
    (image,) = of("FROM")
    version = re.fullmatch(r"python:(\d+\.\d+)-slim", image)
    assert version is not None and f">={version[1]}" in str(project()["requires-python"])
    for line in of("RUN"):
        words = shlex.split(line)
        assert words[:3] == ["pip", "install", "--no-cache-dir"] and words[-2:] == ["-c", "constraints.txt"]
        extra = re.fullmatch(r"\.\[(\w+)\]", words[3])
        assert words[3] == "torch" or (extra is not None and extra[1] in project()["optional-dependencies"])  # type: ignore[operator]
    scripts: dict[str, str] = project()["scripts"]  # type: ignore[assignment]
    assert json.loads(of("ENTRYPOINT")[0]) == ["astrid"] and "astrid" in scripts
    assert json.loads(of("CMD")[0]) == ["--help"]
    assert (ROOT / "constraints.txt").is_file()


def test_the_page_says_that_no_image_was_built() -> None:
    assert "No image was built" in (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_its_steps_install_and_start_in_an_empty_folder(tmp_path: Path) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout of git: what is copied into the image is not known")
    for name in filter(None, listed.stdout.split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    work.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    programs = tmp_path / "venv" / "bin"
    asked = [f"{programs}/pip", "download", "--quiet", "--no-deps", "--dest", f"{tmp_path}/asked", "setuptools"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("no package index can be reached, so nothing can be installed")
    for line in of("RUN"):
        program, *words = shlex.split(line)
        done = subprocess.run(
            [f"{programs}/{program}", *words], cwd=source, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr[-2000:]}"
    environment = dict(item.split("=", 1) for item in of("ENV")) | {"PATH": str(programs), "HOME": str(work)}
    words = [*json.loads(of("ENTRYPOINT")[0]), *json.loads(of("CMD")[0])]
    started = subprocess.run(
        [f"{programs}/{words[0]}", *words[1:]], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert started.returncode == 0 and "prepare" in started.stdout, started.stderr[-2000:]
    made = [
        f"{programs}/{words[0]}",
        "simulate",
        "what=triplets",
        "simulate.n=4",
        "simulate.prevalence=0.5",
        "output_dir=s",
    ]
    assert subprocess.run(made, cwd=work, env=environment, capture_output=True, check=False).returncode == 0
    assert any((work / "s").glob("*.npy"))
