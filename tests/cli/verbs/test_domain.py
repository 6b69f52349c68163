"""A domain's command is built from its node, run, and its summary printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from omegaconf import OmegaConf

from astrid_ml.cli.verbs.domain import command, print_summary
from astrid_ml.errors import UserError


@dataclass(frozen=True)
class Count:
    """A command that failed on some."""

    failed: int

    def run(self) -> dict[str, Any]:
        return {"units": 5, "failed": self.failed}


def node(failed: int, *trust: str) -> Any:
    return OmegaConf.create({"command": {"_target_": f"{__name__}.Count", "failed": failed}, "trust": list(trust)})


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (2, 1)])
def test_failed_units_are_the_exit_code(failed: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(node(failed, f"{__name__}.Count")) == code
    assert capsys.readouterr().out == f"units: 5\nfailed: {failed}\n"


def test_a_class_that_nobody_trusts_is_not_run() -> None:
    with pytest.raises(UserError, match="trust="):
        command(node(0))


def test_a_summary_is_one_line_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary({"path": "a b", "share": 0.25, "by": {"ZTF": 3}, "none": None})
    assert capsys.readouterr().out.splitlines() == ["path: a b", "share: 0.25", 'by: {"ZTF": 3}', "none: null"]


class NoCommand:
    """A class without ``run``."""


class Faulty:
    """A class of a stranger that fails in its own way."""

    def __init__(self) -> None:
        raise RuntimeError("no disc in the drive")


@pytest.mark.parametrize(
    ("kind", "expected"), [("NoCommand", "has a method run"), ("Faulty", "RuntimeError: no disc in the drive")]
)
def test_a_class_that_is_no_command_is_told_in_words(kind: str, expected: str) -> None:
    target = f"{__name__}.{kind}"
    with pytest.raises(UserError, match=expected):
        command({"command": {"_target_": target}, "trust": [target]})


def test_python_itself_is_no_class_of_a_command() -> None:
    with pytest.raises(UserError, match=r"os\.system, which is Python's own"):
        command({"command": {"_target_": "os.system", "command": "true"}, "trust": ["os.system"]})
