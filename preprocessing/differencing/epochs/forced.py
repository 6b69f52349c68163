"""Forced photometry: the flux of a point source at given positions on difference images, found or not; light curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from astropy.wcs import WCS

from astrid_ml.errors import UserError
from astrid_ml.executors.within import allowed
from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.differencing.detect.errors import magnitude_error
from astrid_ml.preprocessing.differencing.detect.measure import forced
from astrid_ml.preprocessing.differencing.detect.options import EDGE, NEAR_MASK
from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account, assemble
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.readable import reading
from astrid_ml.types import Floats, Mask

FLUXCAL = 27.5  # AB magnitude of one unit of flux in a light curve
DETECTED, MASKED = 4096, 1024  # bits of phot_flag, as ELAsTiCC's: a detection, and saturated or otherwise unusable
PLANES = ("DIFF", "SIG", "FLUXERR", "VAR", "MASK", "PSF")
FORCED_COLUMNS = (
    "object_id", "mjd", "band", "mission", "ra", "dec", "x", "y", "flux", "flux_err", "snr", "mag", "mag_err", "limit",
    "detected", "masked", "flags", "phot_flag", "source",
)  # fmt: skip


@dataclass(frozen=True)
class Epoch:
    """A difference image that was written by ``astrid difference``.

    Args:
        result: its planes and its PSF.
        wcs: celestial, ICRS degrees.
        mjd: mid-exposure, UTC.
        band: name of the filter.
        mission: None where the header names none.
        zero_point: AB magnitude of one unit of flux.
        name: the file, as tables call the image.
    """

    result: SubtractionResult
    wcs: WCS
    mjd: float
    band: str
    mission: str | None
    zero_point: float
    name: str


def read_epoch(path: Path, zero_point: float | None = None, band: str | None = None) -> Epoch:
    """Read ``difference.fits``.

    Args:
        path: the file.
        zero_point: AB; wins over the header's ZP.
        band: wins over the header's FILTER.

    Raises:
        UserError: no FITS file, an extension or a card is missing, or no celestial WCS.
    """
    with reading(path), open_checked(path, allowed()) as hdus:
        absent = [name for name in PLANES if name not in hdus]
        if absent:
            raise UserError(f"extensions {', '.join(PLANES)}", f"{path} without {', '.join(absent)}", _REMAKE)
        planes = {name: np.ascontiguousarray(hdus[name].data.astype(np.float32)) for name in PLANES}
        header = hdus["DIFF"].header.copy()
        wcs = WCS(header)
    if not wcs.has_celestial:
        raise UserError("a WCS in difference.fits", f"none in {path}", "subtract frames that have one")
    point = zero_point if zero_point is not None else header.get("ZP")
    given = {"MJD": header.get("MJD"), "FILTER": band or header.get("FILTER"), "ZP": point}
    for name, value in given.items():
        if value is None:
            fix = "subtract again with science.mjd, science.filter, science.zero_point; or set zero_point=, band="
            raise UserError(f"{name} in the header of DIFF", f"none in {path}", fix)
    tensors = {name: torch.from_numpy(plane) for name, plane in planes.items()}
    result = SubtractionResult(
        diff=tensors["DIFF"],
        significance=tensors["SIG"],
        psf=tensors["PSF"],
        variance=tensors["VAR"],
        mask=tensors["MASK"] > 0,
        flux_error=tensors["FLUXERR"],
    )
    mission = header.get("MISSION")
    return Epoch(result, wcs, float(given["MJD"]), str(given["FILTER"]), mission, float(given["ZP"]), str(path))


_REMAKE = "make it with astrid difference"


def forced_photometry(
    epoch: Epoch, positions: pd.DataFrame, n_sigma: float = 3.0, detection: float = 5.0, edge: int = 16
) -> pd.DataFrame:
    """Fluxes at known positions of one difference image; those beyond its border are left out.

    Args:
        epoch: the image.
        positions: object_id, ra, dec (degrees, ICRS).
        n_sigma: of the upper limit.
        detection: |snr| from which an epoch is a detection.
        edge: px from the border within which the flag EDGE is set.

    Returns:
        ``FORCED_COLUMNS``: flux and flux_err in FLUXCAL (zero point 27.5), negative where the source faded; ``mag``
        and ``mag_err`` where flux > 0; ``limit``, the AB magnitude of ``n_sigma`` errors; ``masked``: no measurement,
        flux is NaN; ``flags`` as the candidates'; ``phot_flag``: 4096 detected, 1024 masked.
    """
    x, y = _pixels(epoch.wcs, positions)
    h, w = epoch.result.diff.shape
    inside = (x > -0.5) & (y > -0.5) & (x < w - 0.5) & (y < h - 0.5)
    x, y = x[inside], y[inside]
    flux, error, snr = (t.double().numpy() for t in forced(epoch.result, torch.from_numpy(x), torch.from_numpy(y)))
    rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
    masked = epoch.result.mask.numpy()[rows, columns] | ~np.isfinite(flux) | ~(error > 0)
    near = grow(epoch.result.mask, 3).numpy()[rows, columns]
    at_edge = (x < edge) | (y < edge) | (x > w - 1 - edge) | (y > h - 1 - edge)
    scale = 10 ** (0.4 * (FLUXCAL - epoch.zero_point))
    flux, error, snr = (np.where(masked, np.nan, a) for a in (flux * scale, error * scale, snr))
    found = np.abs(np.nan_to_num(snr)) >= detection
    with np.errstate(invalid="ignore", divide="ignore"):
        magnitude = np.where(flux > 0, FLUXCAL - 2.5 * np.log10(flux), np.nan)
        limit = FLUXCAL - 2.5 * np.log10(n_sigma * error)
        mag_err = np.where(flux > 0, magnitude_error(flux, error), np.nan)
    table = pd.DataFrame(
        {
            "object_id": positions["object_id"].astype(str).to_numpy()[inside],
            "mjd": epoch.mjd,
            "band": epoch.band,
            "mission": pd.array([epoch.mission] * len(x), dtype="string"),
            "ra": positions["ra"].to_numpy(dtype=float)[inside],
            "dec": positions["dec"].to_numpy(dtype=float)[inside],
            **{"x": x, "y": y, "flux": flux, "flux_err": error, "snr": snr, "mag": magnitude, "mag_err": mag_err},
            "limit": limit,
            "detected": found,
            "masked": masked,
            "flags": (EDGE * at_edge + NEAR_MASK * near).astype(np.int32),
            "phot_flag": (DETECTED * found + MASKED * masked).astype(np.int32),
            "source": epoch.name,
        }
    )
    return table[list(FORCED_COLUMNS)]


def _pixels(wcs: WCS, positions: pd.DataFrame) -> tuple[Floats, Floats]:
    """x, y (px) of positions; what lies on the other side of the sky is NaN."""
    ra, dec = (positions[name].to_numpy(dtype=float) for name in ("ra", "dec"))
    near = _within_reach(wcs, ra, dec)
    x, y = np.full(len(ra), np.nan), np.full(len(ra), np.nan)
    if near.any():
        found = wcs.all_world2pix(ra[near], dec[near], 0, quiet=True)
        x[near], y[near] = np.asarray(found[0], dtype=float), np.asarray(found[1], dtype=float)
    return x, y


def _within_reach(wcs: WCS, ra: Floats, dec: Floats, margin: float = 1.5) -> Mask:
    """Positions within the circle around the frame: a tangent plane and a distortion mean nothing far outside."""
    from astrid_ml.sky import unit_vectors

    h, w = wcs.array_shape
    corners = wcs.all_pix2world([[(w - 1) / 2, (h - 1) / 2], [0, 0], [w - 1, 0], [0, h - 1], [w - 1, h - 1]], 0)
    vectors = unit_vectors(np.asarray(corners, dtype=float))
    reach = margin * np.max(np.linalg.norm(vectors[1:] - vectors[0], axis=1))
    return np.asarray(np.linalg.norm(unit_vectors(np.column_stack([ra, dec])) - vectors[0], axis=1) <= reach)


def light_curves(
    table: pd.DataFrame,
    objects: pd.DataFrame,
    wavelengths: Mapping[str, float] | None = None,
) -> tuple[CurveTable, Account]:
    """Curves in the exchange form, time ascending; masked epochs are left out and counted.

    Args:
        table: of ``forced_photometry``, of any number of epochs.
        objects: object_id, ra, dec and, where known, label.
        wavelengths: micrometres by band, over the built-in ones.

    Returns:
        the table, ``flux_kind`` difference and ``survey`` the missions that saw the object; what was left out.
    """
    account = Account()
    names = objects["object_id"].astype(str)
    missions = table.dropna(subset=["mission"]).groupby("object_id")["mission"].agg(lambda m: "+".join(sorted(set(m))))
    label = objects["label"].astype(object) if "label" in objects else pd.Series([None] * len(objects), dtype=object)
    static = pd.DataFrame(
        {
            "object_id": names.to_numpy(dtype=object),
            "label": label.where(label.notna(), None).to_numpy(),
            "survey": names.map(missions).astype(object).where(names.isin(missions.index), None).to_numpy(),
            "flux_kind": "difference",
            "RA": objects["ra"].to_numpy(dtype=float),
            "DEC": objects["dec"].to_numpy(dtype=float),
        }
    )
    return assemble(static, table, account, wavelengths), account


def by_mission(table: pd.DataFrame) -> pd.DataFrame:
    """The table with bands named mission-filter: r of two missions are two bands."""
    known = table["mission"].notna().to_numpy(dtype=bool)
    named = table["mission"].astype(str) + "-" + table["band"].astype(str)
    return table.assign(band=named.where(known, table["band"].astype(str)))
