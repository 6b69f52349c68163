"""Numbers that mean nothing in catalogues."""

from __future__ import annotations

import numpy as np

from astrid_ml.crossmatch.marks import is_mark


def test_only_the_very_numbers_are_marks() -> None:
    assert is_mark([-999, -9999.0, 99.0, 999.0, -1e30, np.inf, -0.9999995e9, np.float32(-0.9999995e9)]).all()
    assert not is_mark([-998.9, -1000, 0, 12.5, 98.9, np.nan, 1e9, -1e9]).any()
