"""Versions in a record are those of what runs."""

from __future__ import annotations

import platform

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml import __version__
from astrid_ml.run import versions as module
from astrid_ml.run.versions import PACKAGES, versions


def test_they_are_what_the_packages_say_of_themselves() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["pandas"] == pd.__version__
    assert found["torch"].split("+")[0] == str(torch.__version__).split("+")[0]
    assert found["astrid-ml"] == __version__
    assert set(found) <= {"python", "astrid-ml", *PACKAGES}


def test_what_is_absent_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGES", ("no-such-package", "numpy"))
    assert list(versions()) == ["python", "astrid-ml", "numpy"]
