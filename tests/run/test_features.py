"""Columns that a datamodule names are compared with those of the samples before any are made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hydra.core.global_hydra import GlobalHydra

from astrid_ml.build import build, plain
from astrid_ml.config import compose
from astrid_ml.contracts.verbs import TellsColumns
from astrid_ml.datamodules.features import Standardiser, check_columns
from astrid_ml.errors import UserError
from astrid_ml.run.parts import check_parts
from astrid_ml.run.prepare import prepare

SMALL = {
    "realbogus_triplets": ["simulate.n=12", "simulate.missions=[ztf]"],
    "lightcurves_sim": ["simulate.n=20", "simulate.templates=1"],
}


def config_of(*words: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    config: dict[str, Any] = plain(compose("train", [*words, "paths.run_dir=r", "paths.sweep_dir=s"]))
    return config


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["experiment=realbogus_triplets", "datamodule.features=[ssnr]"], "did you mean snr?"),
        (["experiment=realbogus_triplets", "datamodule.features=[nothing_of_it]"], "choose datamodule.features among"),
        (["experiment=realbogus_triplets", "datamodule.features=[snr,label]"], "leave label out of"),
        (["experiment=realbogus_sim", "datamodule.features=[aperture_flus]"], "did you mean aperture_flux?"),
        (["experiment=lightcurves_sim", "datamodule.static=[MWEBW]"], "did you mean MWEBV?"),
        (["experiment=lightcurves_sim", "datamodule.log_static=[MWEBW]"], "did you mean MWEBV?"),
        (["experiment=lightcurves_sim", "datamodule.redshift=[HOSTGAL_SPECS]"], "did you mean HOSTGAL_SPECZ?"),
    ],
)
def test_a_column_that_samples_cannot_have_is_refused_with_the_nearest_one(words: Sequence[str], fix: str) -> None:
    with pytest.raises(UserError) as caught:
        check_parts(config_of(*words))
    assert caught.value.fix.startswith(fix)


def test_columns_of_a_dataset_are_read_from_it(tmp_path: Path) -> None:
    index = pd.DataFrame({"id": ["a", "b"], "snr": [1.0, 2.0], "filter": ["g", "r"]})
    config = config_of(
        "experiment=realbogus_triplets", *SMALL["realbogus_triplets"], f"paths.data={tmp_path / 'store'}"
    )
    folder = prepare(config, progress=False)[0].path
    index.to_parquet(folder / "index.parquet")
    words = ["experiment=realbogus_triplets", f"dataset={folder}"]
    for features, fix in (("[sn]", "did you mean snr?"), ("[filter]", "leave filter out")):
        with pytest.raises(UserError) as caught:
            check_parts(config_of(*words, f"datamodule.features={features}"))
        assert caught.value.fix.startswith(fix)
    (folder / "index.parquet").write_text("no table")
    with pytest.raises(UserError, match=r"a whole table index\.parquet"):
        check_parts(config_of(*words, "datamodule.features=[snr]"))


@pytest.mark.parametrize("experiment", SMALL)
def test_the_columns_that_are_told_are_those_that_samples_have(experiment: str, tmp_path: Path) -> None:
    config = config_of(f"experiment={experiment}", *SMALL[experiment], f"paths.data={tmp_path / 'store'}")
    dataset, _ = prepare(config, progress=False)
    parts = (build(config["preprocessing"]), build(config["simulate"]))
    (told,) = [part.column_names() for part in parts if isinstance(part, TellsColumns)]
    assert told is not None
    there = set(pq.read_schema(dataset.path / "index.parquet").names)
    assert there <= {*told, "array", "row"}
    numbers = [name for name in told if name in there and pd.api.types.is_numeric_dtype(dataset.index[name])]
    check_columns({"features": [name for name in numbers if name != "label"]}, told)


def test_numbers_may_be_missing_and_texts_are_none() -> None:
    index = pd.DataFrame({"snr": [1.0, None], "none": [None, None], "mixed": [2, None], "text": ["a", None]})
    fitted = Standardiser(("snr", "none", "mixed")).fit(index.astype({"mixed": object, "none": object}))
    assert fitted["mean"] == [1.0, 0.0, 2.0]
    with pytest.raises(UserError, match="columns that hold numbers"):
        Standardiser(("text",)).fit(index)
