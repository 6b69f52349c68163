"""What all tests share: one thread each, the folder of real files, and files made for tests (``made``)."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("WANDB_MODE", "offline")

sys.path.insert(0, str(Path(__file__).parent))

import pytest

if importlib.util.find_spec("absl") is not None:
    # absl keeps the stderr of its import: pytest's capture of that moment, which is closed when absl flushes at exit.
    importlib.import_module("absl.logging").get_absl_handler().python_handler.stream = sys.__stderr__

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Takes the log's handlers back that a command sets up: they write to a stream of this test, which is closed."""
    before = list(logging.root.handlers)
    yield
    for handler in [handler for handler in logging.root.handlers if handler not in before]:
        logging.root.removeHandler(handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files; skips, with the reason, where it is absent."""
    shared = Path(os.environ.get("ASTRID_SHARED", REPOSITORY.parent / "shared"))
    folder = shared / "data"
    if not folder.is_dir():
        pytest.skip(f"no real files at {folder}; set ASTRID_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The project's root."""
    return REPOSITORY


@pytest.fixture
def watched() -> Iterator[None]:
    """This process is the boundary: it looks at files itself, by the bounds that a test has made small."""
    from astrid_ml.apart import be_watched

    be_watched()
    yield
    be_watched(False)
