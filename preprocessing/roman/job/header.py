"""What the headers of a job say: filter, zero point, time, field, and where its pixels lie on the sky."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.preprocessing.roman.job.names import ExposureName
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.types import Floats

_ZERO_POINT = ("ZPTMAG", "MAGZP", "ZPT")


@dataclass(frozen=True)
class Science:
    """The science exposure.

    Args:
        band: such as R062; None where neither header nor file name says it.
        zero_point: ZPTMAG, the header's; None where it is silent. AB = -2.5 log10(flux) + ZPTMAG + ``bandpass``.
        mjd: of mid-exposure, UTC; NaN where unknown.
        sca: detector; None where unknown.
        field: survey field; None where unknown.
        band_from_name: the header does not say the filter.
        wcs: celestial, None where the header has none.
    """

    band: str | None
    zero_point: float | None
    mjd: float
    sca: int | None
    field: str | None
    band_from_name: bool
    wcs: Any

    @property
    def bandpass(self) -> float | None:
        """The bandpass's own zero point (galsim), AB; None for an unknown filter."""
        return bandpass_zero_point(self.band)

    def sky(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """0-based pixels to RA, Dec in degrees; NaN without a WCS."""
        if self.wcs is None or not len(x):
            return np.full(len(x), np.nan), np.full(len(x), np.nan)
        ra, dec = self.wcs.all_pix2world(x, y, 0)
        return np.asarray(ra), np.asarray(dec)

    def pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """RA, Dec in degrees to 0-based pixels; NaN without a WCS or far from the image."""
        if self.wcs is None or not len(ra):
            return np.full(len(ra), np.nan), np.full(len(ra), np.nan)
        x, y = self.wcs.all_world2pix(ra, dec, 0, quiet=True)
        return np.asarray(x), np.asarray(y)


def band_name(text: str | None) -> str | None:
    """Any of the survey's names of a filter in OpenUniverse's form: F062 and r062 become R062."""
    said = str(text or "").strip().upper()
    # Letters differ from release to release; the wavelength behind them (in units of 10 nm) does not.
    digits = "".join(c for c in said if c.isdigit())
    bands = survey_named("roman").bands
    return next((name for name in bands if name[1:] == digits), None) or said or None


def bandpass_zero_point(band: str | None) -> float | None:
    """AB zero point of a Roman filter for one count a second a cm^2, as galsim has it; None for an unknown one."""
    known = survey_named("roman").bands.get(band_name(band) or "")
    return None if known is None else known.zero_point


def read_science(
    headers: list[Mapping[str, Any]], reference: Mapping[str, Any], exposure: ExposureName | None, field: str | None
) -> Science:
    """The science exposure from its headers, best first; what they lack is taken from the file's name.

    The field is the field list's, else the reference image's, else the science image's.
    """
    band = band_name(_text(headers, ("FILTER",)))
    named = band_name(exposure.band) if exposure else None
    sca = _number(headers, ("SCA_NUM",))
    field = field or _text([reference, *headers], ("FIELD",))
    return Science(
        band=band or named,
        zero_point=_number(headers, _ZERO_POINT),
        mjd=_mid_exposure(headers),
        sca=int(sca) if sca is not None else exposure.sca if exposure else None,
        field=field.removesuffix(".0") if field else None,
        band_from_name=band is None and named is not None,
        wcs=next((wcs for header in headers if (wcs := _wcs(header)) is not None), None),
    )


def _mid_exposure(headers: list[Mapping[str, Any]]) -> float:
    """MJD-OBS is the start of an OpenUniverse exposure."""
    start, length = _number(headers, ("MJD-OBS",)), _number(headers, ("EXPTIME", "EXPOSURE"))
    return math.nan if start is None else start + (length or 0.0) / 172800


def _value(headers: list[Mapping[str, Any]], keys: tuple[str, ...]) -> Any:
    return next((header[key] for key in keys for header in headers if header.get(key) not in (None, "")), None)


def _text(headers: list[Mapping[str, Any]], keys: tuple[str, ...]) -> str | None:
    value = _value(headers, keys)
    return None if value is None else str(value).strip() or None


def _number(headers: list[Mapping[str, Any]], keys: tuple[str, ...]) -> float | None:
    try:
        number = float(_value(headers, keys))
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _wcs(header: Mapping[str, Any]) -> Any:
    from astropy.io.fits import Header
    from astropy.wcs import WCS, FITSFixedWarning

    if "CTYPE1" not in header:
        return None
    plain = {key: value for key, value in header.items() if key and key not in ("COMMENT", "HISTORY")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            wcs = WCS(Header(plain)).celestial
        except Exception:  # a header that only looks like one: positions on the sky are then unknown
            return None
    return wcs if wcs.naxis == 2 else None
