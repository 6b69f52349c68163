"""What all tests share does what it says."""

from __future__ import annotations

import sys

import pytest


def test_absl_holds_no_capture_of_pytest() -> None:
    """A handler that keeps a closed capture ends the run with ``lost sys.stderr``."""
    logging = pytest.importorskip("absl.logging")
    assert logging.get_absl_handler().python_handler.stream is sys.__stderr__
