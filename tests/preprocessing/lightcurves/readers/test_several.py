"""Files of several objects whose column of names nobody knows: refused by its name, never one merged curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made.light_curve_tables import WRITERS, as_csv, several_objects

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.several import refuse_several
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves

NAMED = ("Star Name", "starname", "MAIN_ID", "EPIC", "HIP", "AUID", "target_id", "GaiaDR3", "obj", "TransientName")


def read(path: Path) -> tuple[list[str], Account]:
    account = Account()
    (source,) = find_curves([path]).sources
    names = [name for table in source.read(account) for name in table.objects["object_id"]]
    return names, account


@pytest.mark.parametrize("time", ["mjd", "jd"])
@pytest.mark.parametrize("name", NAMED)
def test_a_column_of_names_of_objects_is_never_passed_over(name: str, time: str, tmp_path: Path) -> None:
    names, account = read(as_csv(several_objects(name, "turns", time), tmp_path))
    assert not names
    (dropped,) = account.dropped
    assert f"the column {name} that nothing uses" in dropped["reason"] and "columns=map.yaml" in dropped["reason"]


@pytest.mark.parametrize("order", ["behind", "together", "sky"])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_column_of_any_name_that_parts_the_rows_is_told(seed: int, whole: bool, order: str, tmp_path: Path) -> None:
    write = WRITERS[:7][(2 * seed + whole) % 7]
    names, account = read(write(several_objects("which", order, whole=whole), tmp_path))
    assert not names and "the column which" in account.dropped[0]["reason"]


@pytest.mark.parametrize("name", ["telescope", "Observer Code", "exptime", "image_id", "visitid", "filtername"])
@pytest.mark.parametrize("order", ["behind", "together", "turns"])
def test_what_says_how_a_row_was_measured_names_no_object(name: str, order: str, tmp_path: Path) -> None:
    names, account = read(as_csv(several_objects(name, order), tmp_path))
    assert names == ["a"] and not account.dropped


def test_filters_one_behind_the_other_are_one_object(tmp_path: Path) -> None:
    rows = several_objects("which", "behind").assign(band=["g"] * 6 + ["r"] * 6)
    assert read(as_csv(rows, tmp_path))[0] == ["a"]
    with pytest.raises(UserError, match="the column which"):
        refuse_several(rows[["which"]], rows["mjd"], pd.Series(["g"] * 12))
    refuse_several(rows[["which"]], rows["mjd"], pd.Series(["g"] * 12), file=np.repeat([0, 1], 6))
