"""Context of catalogues: standardised where it is known, blank with a flag where it is not, left out at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.datamodules.channels import Channels
from astrid_ml.datamodules.context import ContextBlocks, SampleFeatures
from astrid_ml.datamodules.draws import SampleGenerator, mixed
from astrid_ml.datamodules.features import Standardiser
from astrid_ml.datamodules.stamps import StampDataModule
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource

BLOCKS = {"gaia": ["g", "parallax"], "ps1": ["z"]}
TABLE = pd.DataFrame(
    {
        "g": [15.0, 17.0, np.nan, 16.0],
        "parallax": [1.0, np.nan, np.nan, 3.0],
        "z": pd.array([0, 4, None, 2], dtype="Int64"),
        "other": 1.0,
    }
)


def test_a_block_has_values_flags_and_a_flag_of_its_own() -> None:
    context = ContextBlocks(BLOCKS)
    made = context.apply(TABLE, context.fit(TABLE)).numpy()
    assert made.shape == (4, context.width) == (4, 8)
    gaia, ps1 = made[:, :5], made[:, 5:]
    assert gaia[:, 4].tolist() == [0, 0, 1, 0] and ps1[:, 2].tolist() == [0, 0, 1, 0]
    assert gaia[:, 2:4].tolist() == [[0, 0], [0, 1], [1, 1], [0, 0]]
    np.testing.assert_allclose(gaia[:, 0], np.array([-1, 1, 0, 0]) * np.sqrt(1.5), atol=1e-6)
    assert ps1[2].tolist() == [0, 1, 1]  # a match with the value 0 is another thing
    assert ps1[0, 0] < 0 and ps1[0, 1:].tolist() == [0, 0]


def test_blocks_are_left_out_at_random_in_training_only_each_for_itself() -> None:
    n = 20_000
    table = pd.DataFrame({"g": np.ones(n), "parallax": np.arange(n), "z": np.arange(n)})
    context = ContextBlocks(BLOCKS, blank=0.3)
    statistics = context.fit(table)
    assert not context.apply(table, statistics).numpy()[:, [4, 7]].any()
    made = context.apply(table, statistics, torch.Generator().manual_seed(1), train=True).numpy()
    gaia, ps1 = made[:, 4] == 1, made[:, 7] == 1
    assert gaia.mean() == pytest.approx(0.3, abs=0.015) and (gaia & ps1).mean() == pytest.approx(0.09, abs=0.01)
    assert (made[gaia][:, :5] == [0, 0, 1, 1, 1]).all() and not made[~gaia][:, 2:5].any()


def test_a_sample_is_blanked_alike_in_whatever_batch_it_stands() -> None:
    table = pd.DataFrame({"g": np.arange(8.0), "parallax": np.arange(8.0), "z": np.arange(8.0)})
    context = ContextBlocks(BLOCKS, blank=0.5)
    statistics, seeds = context.fit(table), mixed(7, np.arange(8))
    whole = context.apply(table, statistics, SampleGenerator(seeds, 0), train=True)
    half = context.apply(table.iloc[4:], statistics, SampleGenerator(seeds[4:], 1), train=True)
    assert whole[4:].equal(half) and 0 < float(whole[:, 4].mean()) < 1


def test_samples_without_the_columns_are_refused_or_blank_as_said() -> None:
    statistics = ContextBlocks(BLOCKS).fit(TABLE)
    with pytest.raises(UserError, match=r"samples without g, parallax, z.*datamodule\.context\.absent=blank"):
        ContextBlocks(BLOCKS).apply(TABLE[["other"]], statistics)
    blank = ContextBlocks(BLOCKS, absent="blank")
    assert blank.apply(TABLE[["other"]], statistics).tolist() == [[0, 0, 1, 1, 1, 0, 1, 1]] * 4
    with pytest.raises(UserError, match="samples without"):
        blank.fit(TABLE[["other"]])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"blocks": {"gaia": []}}, r"blocks\.gaia=\[COLUMN"),
        ({"blocks": {"gaia": "g"}}, r"blocks\.gaia=\[COLUMN"),
        ({"blocks": {"a": ["g"], "b": ["g"]}}, "each column in one block"),
        ({"absent": "zero"}, "refuse or blank"),
    ],
)
def test_blocks_that_are_none_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        ContextBlocks(**settings)


def test_texts_are_no_context() -> None:
    with pytest.raises(UserError, match=r"datamodule\.context\.blocks\.a of columns that hold numbers"):
        ContextBlocks({"a": ["kind"]}).fit(pd.DataFrame({"kind": ["star", "galaxy"]}))


def test_context_goes_behind_the_features_into_the_batch() -> None:
    index = TABLE.assign(id=list("abcd"), label=[0, 1, 0, 1], array="s", row=range(4))
    source = MemorySource(index, {"s": {"stamps": np.ones((4, 3, 9, 9), np.float32)}}, {})
    channels = Channels(("science", "reference", "difference"), 9, "sigma")
    data = StampDataModule(channels, ["other"], context=ContextBlocks(BLOCKS))
    data.attach(source, pd.DataFrame({"id": list("abcd"), "fold": "train"}))
    batch = next(iter(data.train_dataloader()))
    assert batch["features"].shape == (4, 10) == (4, data.example()["features"].shape[1])
    assert set(data.column_keys) == {"features", "context.blocks.gaia", "context.blocks.ps1"}
    alone = SampleFeatures(Standardiser(("other",)), ContextBlocks())
    assert alone.fit(TABLE) == Standardiser(("other",)).fit(TABLE)  # as checkpoints without context have it
