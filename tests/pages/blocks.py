"""What the pages show to be typed: found by Sybil, run one after the other in a folder of the page's own.

A comment above a block, ``<!-- test: WORDS -->``, says how it is run. The words:

- ``exit=2``: the exit code that the page speaks of;
- ``fixture=NAME``: what stands in the folder before (``supplies``; several with a plus);
- ``needs=NAME``: not run here, for the reason in ``NEEDS``;
- ``same=PAGE``: the same words stand on that page and run there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
MARKER = re.compile(r"<!-- test: ([^>]*?) -->\s*\Z")
# Pages whose blocks are the parts of one thing, which a test of its own puts together and types.
BY = {"docs/extending.md": "tests/extension/test_package.py"}
KEYS = {"exit", "fixture", "needs", "same"}
# Why a block cannot be run here; each name must be used by a page.
NEEDS = {
    "install": "installs packages and runs this very suite; the continuous integration types it (.ci/run)",
    "packages": "installs packages; tests of what they are for are skipped without them",
    "slurm": "asks the programs of SLURM for machines; tests/executors stands in for them, and the words are composed",
    "network": "asks archives of the world; tests/preprocessing/acquisition serves their answers",
    "container": "builds an image with Docker, which downloads a system",
}
TYPED_BY_CI = ("install",)


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Args:
        page: relative to the checkout.
        example: as Sybil found it.
    """

    page: str
    example: Example

    @property
    def marks(self) -> dict[str, str]:
        """The words of the comment above the block: name -> value, empty where there is none."""
        found = MARKER.search(self.example.document.text[: self.example.region.start])
        words = found[1].split() if found else []
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    @property
    def language(self) -> str:
        """``sh`` or ``python``."""
        return str(self.example.region.lexemes["arguments"])

    @property
    def text(self) -> str:
        """What is typed."""
        return str(self.example.parsed)

    @property
    def name(self) -> str:
        """``page:line language marks``, as the list of tests shows it."""
        marks = [f"{name}={value}" if value else name for name, value in self.marks.items()]
        return " ".join([f"{self.page}:{self.example.line}", self.language, *marks])

    def run(self, folder: Path) -> None:
        """Type the block in the folder; another exit code than the page's is an error, with what was printed."""
        self.example.namespace["folder"] = folder
        self.example.namespace["exit"] = int(self.marks.get("exit", 0))
        self.example.evaluate()


def _typed(example: Example, command: list[str]) -> None:
    folder, expected = example.namespace["folder"], example.namespace["exit"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    if done.returncode != expected:
        said = f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        raise AssertionError(f"exit code {done.returncode}, not {expected}, of\n{example.parsed}\n{said}")


def _shell(example: Example) -> None:
    _typed(example, ["bash", "-euo", "pipefail", "-c", str(example.parsed)])


def _python(example: Example) -> None:
    # Each block alone, as a reader types it who came for this one.
    _typed(example, [sys.executable, "-c", str(example.parsed)])


def environment(folder: Path) -> dict[str, str]:
    """That of a newcomer whose environment is active: ``astrid`` and ``python`` on PATH, this tree under them."""
    programs = folder.parent / "programs"
    if not programs.is_dir():
        programs.mkdir()
        for name, words in {"astrid": "-m astrid_ml ", "python": ""}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n', encoding="utf-8")
            (programs / name).chmod(0o755)
    theirs = ("ASTRID_", "PYTEST_", "MAKE", "MKL_NUM_", "OPENBLAS_NUM_")  # of these tests, not of a newcomer
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    paths = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return {**kept, **paths, "MPLBACKEND": "Agg", "WANDB_MODE": "offline"}


def document(page: str) -> Document:
    """A page with its blocks."""
    parsers = [CodeBlockParser("sh", _shell), CodeBlockParser("python", _python)]
    return Sybil(parsers, path=str(REPOSITORY)).parse(REPOSITORY / page)


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    return [Block(page, example) for example in document(page).examples()]


def kept_words(marks: dict[str, Any]) -> set[str]:
    """Words of a comment that nothing here understands."""
    return set(marks) - KEYS
