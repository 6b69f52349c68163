"""The polynomial of each pixel that makes its reads those of a linear detector, as JWST's reference files hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Floats32


@dataclass(frozen=True)
class Linearity:
    """sum_k c_k F^k of the signal F above the bias, DN.

    Args:
        coefficients: c_0, c_1, ... of each pixel, (n, n_rows, n_cols); a pixel with one that is NaN stays as it is.
        bias: of each pixel, DN, (n_rows, n_cols).

    Raises:
        UserError: shapes that do not fit.
    """

    coefficients: Floats32
    bias: Floats32

    def __post_init__(self) -> None:
        if self.coefficients.ndim != 3 or self.coefficients.shape[1:] != self.bias.shape:
            got = f"coefficients {self.coefficients.shape}, bias {self.bias.shape}"
            raise UserError("coefficients (n, n_rows, n_cols) and a bias (n_rows, n_cols)", got, "give matching files")

    def applied(self, reads: Floats32, gain: Floats32, rows: slice) -> Floats32:
        """Linear reads.

        Args:
            reads: (n_groups, h, n_cols), e-, with the bias.
            gain: e-/DN, a number or (h, n_cols).
            rows: of the detector.
        """
        terms = np.asarray(self.coefficients[:, rows], np.float32)
        known = np.isfinite(terms).all(axis=0)
        signal = reads / gain - self.bias[rows]
        out = np.zeros_like(signal)
        for term in terms[::-1]:  # Horner's rule
            out = out * signal + np.where(known, term, 0.0)
        linear: Floats32 = np.where(known, out, signal).astype(np.float32) * gain
        return linear
