"""What RAPID makes of a pair: difference, SCORR, and the catalogues of what it finds there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.preprocessing.differencing.subtract.pair import Subtract, SubtractionInput
from astrid_ml.preprocessing.differencing.subtract.steps import Direct, Gaussian, Zogy
from astrid_ml.types import Floats

_STEPS: dict[str, Subtract] = {"zogy": Zogy(), "sfft": Gaussian(), "naive": Direct()}
FINDER = "id x_centroid y_centroid sharpness roundness1 roundness2 n_pixels peak flux mag daofind_mag".split()
PSFCAT = (
    "id group_id group_size local_bkg x_init y_init flux_init x_fit y_fit flux_fit x_err y_err flux_err n_pixels_fit "
    "qfit cfit reduced_chi2 flags ra dec"
).split()
# Names of photutils before version 3, as files up to 2026-04 have them.
OLD_NAMES = {"x_centroid": "xcentroid", "y_centroid": "ycentroid", "n_pixels": "npix", "n_pixels_fit": "npixfit"}
_PLACES = {"x_centroid": 4, "y_centroid": 4, "x_init": 4, "y_init": 4, "x_fit": 4, "y_fit": 4, "x_err": 4, "y_err": 4}
_PLACES |= {"flux_fit": 6, "flux_init": 6, "flux_err": 5, "qfit": 4, "cfit": 4, "reduced_chi2": 4, "local_bkg": 4}


@dataclass(frozen=True)
class Subtracted:
    """A subtraction's images.

    Args:
        difference: (H, W), science counts.
        scorr: (H, W), sigma.
        uncertainty: (H, W), of ``difference``, counts.
        psf: (k, k) of ``difference``.
    """

    difference: Floats
    scorr: Floats
    uncertainty: Floats
    psf: Floats


def subtract(
    science: Floats, reference: Floats, variances: tuple[Floats, Floats], psfs: tuple[Floats, Floats], family: str
) -> Subtracted:
    """Subtract a pair: zogy is proper, sfft matched by a Gaussian kernel, naive direct."""
    tensors = [torch.from_numpy(part.astype(np.float32)) for part in (science, reference, *variances, *psfs)]
    n, r, v_n, v_r, p_n, p_r = tensors
    clear = torch.zeros(n.shape, dtype=torch.bool)
    noises = (float(v_n.median()), float(v_r.median()))
    done = _STEPS[family](SubtractionInput(n, r, (v_n, v_r), (clear, clear), (p_n, p_r), noises))
    parts = (done.diff, done.significance, done.variance.sqrt(), done.psf)
    return Subtracted(*(part.double().numpy() for part in parts))


def find(difference: Floats, threshold: float) -> pd.DataFrame:
    """DAOStarFinder with RAPID's settings: ``threshold`` clipped sigma, FWHM 2 px. NaN is no data."""
    from astropy.stats import sigma_clipped_stats
    from photutils.detection import DAOStarFinder

    known = np.isfinite(difference)
    sigma = float(sigma_clipped_stats(difference[known], sigma=3.0)[2])
    finder = DAOStarFinder(threshold=threshold * sigma, fwhm=2.0, min_separation=1.0)
    found = _quietly(lambda: finder(np.where(known, difference, 0.0), mask=~known))
    return pd.DataFrame({name: [] for name in FINDER}) if found is None else found.to_pandas()[FINDER]


def fit(difference: Floats, uncertainty: Floats, found: pd.DataFrame, fwhm: float) -> pd.DataFrame:
    """PSF-fit catalogue of what was found, ``PSFCAT`` but for the sky; as many rows as could be fitted."""
    from astropy.table import Table
    from photutils.psf import CircularGaussianPRF, PSFPhotometry

    if not len(found):
        return pd.DataFrame({name: [] for name in PSFCAT[:-2]})
    known = np.isfinite(difference)
    start = Table({"id": found["id"], "x": found["x_centroid"], "y": found["y_centroid"]})
    photometry = PSFPhotometry(CircularGaussianPRF(fwhm=fwhm), (5, 5), aperture_radius=3)
    filled = np.where(known, difference, 0.0)
    table = _quietly(lambda: photometry(filled, mask=~known, error=uncertainty, init_params=start))
    fitted: pd.DataFrame = table.to_pandas()[PSFCAT[:-2]]
    return fitted


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The digits that RAPID writes."""
    return table.round({name: places for name, places in _PLACES.items() if name in table})


def _quietly(call: Callable[[], Any]) -> Any:
    """Without photutils' warnings of fits that did not converge: their rows say so in ``flags``."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()
