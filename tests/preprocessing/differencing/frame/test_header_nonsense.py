"""Headers of nonsense: whatever stands under a key that is read, nothing breaks and no number is beyond all numbers."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from astropy.io import fits

from astrid_ml.preprocessing.differencing.frame.header import exposures, filters, fluxes, gains, moments
from astrid_ml.preprocessing.differencing.frame.headers import read_calibration

KEYS = (
    *(
        *moments.START,
        *moments.PLAIN,
        *moments.END,
        *moments.MID,
        *moments.START_DATES,
        *moments.END_DATES,
        *moments.HOURS,
    ),
    *(*gains.GAIN, *gains.READ_NOISE, *exposures.EXPOSURE, *exposures.COADDS, *fluxes.ZERO_POINT, *filters.KEYS),
    *("TIMESYS", "TSTART", "TSTOP", "MJDREF", "MJDREFI", "UTCFINIT", "NCOMBINE", "COMBINE", "OFFSET", "BUNIT"),
    *("INSTRUME", "TELESCOP", "MAGSYS", exposures.NDIT, "PHOTFLAM", "PHOTPLAM", "FLUXMAG0", "SATURATE"),
)
NUMBERS: tuple[Any, ...] = (0, -1, True, 30.0, 1e300, -99, 61104.0, 2461104.5, "1.5D+999", "30 s", "5 ms", "-0")
TIMES = (
    *("2026-03-05", "2026-03-05T25:61:61", "2026-02-30T01:02:03", "05/03/26", "99/99/99", "5-Mar-2026", "000000"),
    *("06:07:08", "99:99", "UTC+25", "TT", "local"),
)
WORDS = (
    *("", " ", "N/A", "open", "ND1", "r", "e-", "adu/s", "(((adu", "1e-17 erg/s/cm2/A", "10**9999 adu", "1e999 Jy"),
    *("nan Jy", "0 Jy", "HST", "ZWO", "SUM", "adu**0.3"),
)
COMMENTS = (
    *("", "[ms]", "in min", "mid-exposure", "end", "TT", "local time", "JD-2400000", "ADU/e-", "dB", "per second"),
    *("Vega", "[", "()"),
)


@pytest.mark.parametrize("seed", range(6))
def test_nonsense(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        header = fits.Header()
        for key in random.sample(KEYS, random.randint(1, 14)):
            value = random.choice((*NUMBERS, *TIMES, *WORDS))
            header[f"HIERARCH {key}" if len(key) > 8 or not key.isupper() or "." in key or "_" in key else key] = (
                value,
                random.choice(COMMENTS),
            )
        said = read_calibration(header)
        numbers = (said.gain, said.read_noise, said.zero_point, said.mjd, said.exposure_time, said.saturation)
        assert all(value is None or math.isfinite(value) for value in numbers), header
        assert said.gain is None or said.gain > 0, header
        assert said.mjd is None or "mjd" in said.account.read, header
        assert said.account.record()["unknown"] or said.account.record()["values"], header
