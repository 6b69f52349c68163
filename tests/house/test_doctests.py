"""Every example in a docstring runs and gives what it shows."""

from __future__ import annotations

import doctest
import importlib
import re
import tempfile
from pathlib import Path

import pytest
from house import ROOT, House

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
HOLDING = {name: module.text for name, module in House(ROOT).modules.items() if ">>>" in module.text}


def run_examples(name: str) -> tuple[int, str]:
    """How many lines of a module's examples were run, and what doctest says of those that failed."""
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    said: list[str] = []
    tests = doctest.DocTestFinder().find(module, name)
    return sum(runner.run(test, out=said.append).attempted for test in tests), "".join(said)


@pytest.mark.parametrize("name", sorted(HOLDING))
def test_the_examples_of_a_module_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what they write goes with the test
    monkeypatch.chdir(tmp_path)
    run, failures = run_examples(name)
    assert not failures, failures
    assert run == len(re.findall(r"^\s*>>>", HOLDING[name], re.MULTILINE)), "doctest sees no example in inner functions"


def test_a_wrong_example_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "with_examples.py").write_text('def f() -> int:\n    """\n    >>> f()\n    2\n    """\n    return 3\n')
    monkeypatch.syspath_prepend(tmp_path)
    run, failures = run_examples("with_examples")
    assert run == 1
    assert re.search(r"with_examples.f\nFailed example:\s+f\(\)\nExpected:\s+2\nGot:\s+3\n", failures)
