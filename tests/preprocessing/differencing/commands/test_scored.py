"""The candidates of a pair, scored by a checkpoint: every table can be read, and columns without a value are empty."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from astropy.table import Table
from made.untrained import Untrained, untrained

from astrid_ml.cli.main import run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("model"))


def test_a_pair_is_scored_in_one_command(model: Untrained, pair_folder: Path, tmp_path: Path) -> None:
    words = [f"science={pair_folder / 'science.fits'}", f"reference={pair_folder / 'reference.fits'}"]
    assert run(["difference", *words, f"ckpt_path={model.checkpoint}", f"output_dir={tmp_path / 'out'}"]) == 0
    table = pd.read_parquet(tmp_path / "out" / "candidates.parquet")
    assert len(table) > 10 and table["score"].between(0, 1).all() and table["in_domain"].isna().all()
    read = Table.read(tmp_path / "out" / "candidates.ecsv")
    assert list(read["id"]) == table["id"].tolist() and read["in_domain"].mask.all()


def test_the_pairs_of_a_manifest_are_scored(model: Untrained, pair_folder: Path, tmp_path: Path) -> None:
    words = [f"input={pair_folder}", f"ckpt_path={model.checkpoint}", f"output_dir={tmp_path / 'out'}"]
    assert run(["difference", *words, "executor=serial"]) == 0
    assert pd.read_parquet(tmp_path / "out" / "candidates.parquet")["score"].notna().all()
