"""SNANA pairs as they are written: pointers, separators, types, and the way back through the reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers.snana import read_snana
from astrid_ml.preprocessing.lightcurves.simulate.cadence import Visits, detect, draw_visits
from astrid_ml.preprocessing.lightcurves.simulate.surveys import cadence_named
from astrid_ml.preprocessing.lightcurves.simulate.write_snana import END, column, write_pair

N = 6


@pytest.fixture(scope="module")
def visits() -> Visits:
    random = np.random.default_rng(0)
    wide = cadence_named("lsst_wide")
    drawn = draw_visits(N, 1, random, wide)
    drawn.there[2] = False  # an object that was never visited
    return detect(drawn, np.full(drawn.mjd.shape, 1000.0), np.full(N, 0.1), random, wide)


@pytest.fixture(scope="module")
def head() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "SNID": np.arange(1, N + 1),
            "RA": np.linspace(10.123456789, 20, N),
            "DEC": np.linspace(-9.0, 5, N),
            "MWEBV": np.full(N, 0.1),
            "SIM_TEMPLATE_INDEX": np.arange(N),
        },
        index=np.arange(N)[::-1],  # as a table that was put together from others has it
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, visits: Visits, head: pd.DataFrame) -> Path:
    place = tmp_path_factory.mktemp("snana") / "new"
    write_pair(place, "V1", head, visits)
    return place


def test_pointers_enclose_each_objects_rows_and_a_separator_follows(folder: Path, visits: Visits) -> None:
    objects, phot = (fits.getdata(folder / f"V1_{part}.FITS.gz", 1) for part in ("HEAD", "PHOT"))
    assert objects["NOBS"].tolist() == visits.there.sum(axis=1).tolist()
    assert len(phot) == visits.there.sum() + N
    for i in range(N):
        first, last = int(objects["PTROBS_MIN"][i]), int(objects["PTROBS_MAX"][i])  # from 1, both ends included
        rows = phot[first - 1 : last]
        assert rows["MJD"].tolist() == visits.mjd[i][visits.there[i]].tolist()
        assert rows["FLUXCAL"].tolist() == visits.flux[i][visits.there[i]].tolist()
        assert rows["PHOTFLAG"].tolist() == visits.flag[i][visits.there[i]].tolist()
        assert [name.strip() for name in rows["BAND"]] == ["ugrizY"[k] for k in visits.band[i][visits.there[i]]]
        assert (phot[last]["MJD"], phot[last]["FLUXCAL"], phot[last]["BAND"].strip()) == (END, END, "-")


def test_the_reader_finds_what_was_written(folder: Path, visits: Visits, head: pd.DataFrame) -> None:
    account = Account()
    table = read_snana(folder / "V1_HEAD.FITS.gz", account)
    kept = [0, 1, 3, 4, 5]
    assert table.objects["object_id"].tolist() == [str(k + 1) for k in kept]
    assert [drop["object_id"] for drop in account.dropped] == ["3"]
    assert not account.repaired
    assert table.mjd.tolist() == visits.mjd[kept][visits.there[kept]].tolist()
    assert table.flux_err.tolist() == visits.flux_err[kept][visits.there[kept]].tolist()
    assert table.objects["RA"].tolist() == head["RA"].to_numpy()[kept].tolist()


def test_both_headers_name_the_survey_and_the_version(folder: Path) -> None:
    for part in ("HEAD", "PHOT"):
        header = fits.getheader(folder / f"V1_{part}.FITS.gz", 0)
        assert (header["SURVEY"], header["FILTERS"], header["VERSION"]) == ("LSST", "ugrizY", "V1")


def test_the_same_table_gives_the_same_bytes(folder: Path, tmp_path: Path, visits: Visits, head: pd.DataFrame) -> None:
    write_pair(tmp_path, "V1", head, visits)
    for part in ("HEAD", "PHOT"):
        name = f"V1_{part}.FITS.gz"
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_positions_and_times_are_double_and_the_rest_single() -> None:
    value = np.array([10.123456789])
    assert [column(name, value).dtype.str[1:] for name in ("RA", "DEC", "PEAKMJD", "MWEBV")] == ["f8"] * 3 + ["f4"]
    assert column("NOBS", np.array([7])).dtype == np.int32
    assert column("SNID", np.array([1234567890123456])).tolist() == [b"1234567890123456"]
