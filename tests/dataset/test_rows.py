"""An index that does not fit its arrays is refused; it would give other samples for those that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.untrained import Untrained, untrained

from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("rows"))


@pytest.mark.parametrize("row", [10**9, -1])
def test_a_row_that_is_not_there_is_refused(made: Untrained, row: int) -> None:
    dataset = PreparedDataset(made.dataset.path)
    dataset.index = dataset.index.assign(row=np.where(dataset.index.index == 0, row, dataset.index["row"]))
    with pytest.raises(UserError, match=r"row"):
        dataset.gather("stamps", np.array([0, 1]))


@pytest.mark.parametrize("name", ["../../secret", "/etc/x", "..", ""])
def test_an_array_outside_the_dataset_is_refused(made: Untrained, name: str) -> None:
    dataset = PreparedDataset(made.dataset.path)
    dataset.index = dataset.index.assign(array=name)
    with pytest.raises(UserError, match="names of arrays"):
        dataset.gather("stamps", np.array([0]))


def test_a_frame_outside_the_dataset_is_refused(made: Untrained, tmp_path: Path) -> None:
    np.save(tmp_path / "secret.npy", np.zeros((3, 3, 4)))
    with pytest.raises(UserError, match="inside the dataset"):
        made.dataset.frame(str(tmp_path / "secret.npy"))


def test_arrays_that_are_gone_are_no_absent_kind(made: Untrained, tmp_path: Path, monkeypatch: Any) -> None:
    dataset = PreparedDataset(made.dataset.path)
    dataset.path = tmp_path
    with pytest.raises(UserError, match="arrays beside the index"):
        dataset.groups("stamps", np.array([0]))
