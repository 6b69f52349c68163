"""Every datamodule draws its samples: one picture a row, in order, of that row's data."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from astrid_ml.contracts.scoring import Draws
from astrid_ml.datamodules.channels import Channels
from astrid_ml.datamodules.curves import CurveDataModule
from astrid_ml.datamodules.prepared import PreparedDataModule
from astrid_ml.datamodules.ramps import RampDataModule
from astrid_ml.datamodules.stamps import StampDataModule
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL

N = 5


def records(**columns: list[object]) -> pd.DataFrame:
    names = [f"sample{i}" for i in range(N)]
    return pd.DataFrame({"id": names, "group_id": names, **columns})


def stamps() -> MemorySource:
    random = np.random.default_rng(0)
    writer = MemoryUnitWriter()
    writer.add(records().iloc[:3], {"stamps": random.normal(size=(3, 3, 63, 63)).astype(np.float32)})
    writer.add(records().iloc[3:], {"stamps": random.normal(size=(2, 3, 31, 31)).astype(np.float32)})
    return writer.source()


def tiles() -> MemorySource:
    random = np.random.default_rng(1)
    cube = random.normal(size=(N, 12, 32, 32)).cumsum(axis=1).astype(np.float32)
    truth = np.zeros(cube.shape, np.uint8)
    for i in range(1, N):
        cube[i, 6:, 4 * i : 4 * i + 3, 10:13] += 40.0
        truth[i, 6, 4 * i : 4 * i + 3, 10:13] = SNOWBALL if i == 2 else COSMIC_RAY
    cube[0, :, :4] = np.nan
    writer = MemoryUnitWriter()
    writer.add(records(), {"cube": cube, "truth": truth})
    return writer.source()


def curves() -> MemorySource:
    random = np.random.default_rng(2)
    values = []
    for i in range(N):
        days = np.sort(random.uniform(-20, 80, 30 + 7 * i))
        flux = 800.0 * np.exp(-0.5 * ((days - 15) / (6.0 + 3 * i)) ** 2) + random.normal(0, 25, len(days))
        wavelength = random.choice([0.48, 0.62, 0.75], len(days))
        values.append(
            np.stack([days, flux, np.full(len(days), 25.0), flux > 125, wavelength], axis=1).astype(np.float32)
        )
    writer = MemoryUnitWriter()
    writer.add_ragged(records(label=["SNIa", "SNIa", None, "TDE", "SNIa"]), {"epochs": values})
    return writer.source()


CASES = {
    "stamps": (StampDataModule(Channels()), stamps),
    "tiles": (RampDataModule(), tiles),
    "curves": (CurveDataModule(), curves),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_row_has_its_own_picture_in_the_order_asked_for(kind: str) -> None:
    datamodule, make = CASES[kind]
    source = make()
    assert isinstance(datamodule, Draws)
    drawn = datamodule.draw(source, np.arange(N))
    assert len(set(drawn)) == N
    back = datamodule.draw(source, np.arange(N)[::-1])
    assert back == drawn[::-1]
    for png in drawn:
        picture = imread(io.BytesIO(png), format="png")
        assert picture.std() > 0.02


def test_a_datamodule_of_a_users_own_need_not_draw() -> None:
    assert PreparedDataModule().draw(stamps(), np.arange(2)) == []
