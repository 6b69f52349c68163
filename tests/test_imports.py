"""Imports point one way: scripts, cli, (build) datamodules and models, preprocessing, the rest of astrid_ml."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A package may import those in its set, and itself.
ALLOWED = {
    "astrid_ml": set(),
    "preprocessing": {"astrid_ml"},
    "models": {"astrid_ml", "preprocessing"},
    "datamodules": {"astrid_ml", "preprocessing"},
}
OURS = {"astrid_ml", "preprocessing", "models", "datamodules", "conf", "tests"}
FILES = sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in imported(path)} & OURS
    # build.py and main.py look up where the configuration lies; nothing else of astrid_ml may.
    conf = {"conf"} if path.name in ("build.py", "main.py") else set()
    assert ours <= ALLOWED[package] | {package} | conf


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if "cli" not in p.parts and p.name != "__main__.py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_the_command_line_imports_the_command_line(path: Path) -> None:
    assert not any(name.startswith("astrid_ml.cli") for name in imported(path))


def test_only_build_instantiates() -> None:
    users = [path for path in FILES if "hydra.utils" in imported(path)]
    assert [path.name for path in users] == ["build.py"]


@pytest.mark.parametrize("script", ["train.py", "predict.py"])
def test_the_scripts_are_a_few_lines(script: str) -> None:
    text = (ROOT / script).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert imported(ROOT / script) == {"astrid_ml.cli.main"}


def test_every_package_folder_is_a_package() -> None:
    folders = {path.parent for path in FILES}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]
    assert not list((ROOT / "tests").rglob("__init__.py"))
