"""The words of a description: proxies are called so, what nobody said is called so, missing times are left out."""

from __future__ import annotations

from typing import Any

import pandas as pd

from astrid_ml.dataset.data_card import array_words, label_words, sample_words
from astrid_ml.dataset.record_sets import FOLDS, fold_columns
from astrid_ml.dataset.sample_tables import SampleTable, shape_text


def test_a_proxy_is_called_a_proxy() -> None:
    words = "drb >= 0.5: another model's score, not human truth."
    account = {"source": "drb >= 0.5", "proxy": True, "words": words}
    said = label_words({"labels": account, "counts": {"by_label": {"1": 3, "0": 5}}, "description": {}})
    assert said == (
        "Known class; null where nobody knows. Source: drb >= 0.5. "
        "It is a proxy: drb >= 0.5: another model's score, not human truth. Counts: 0: 5, 1: 3."
    )
    assert label_words({}) == "Known class; null where nobody knows. Source: none was given. Counts: none."


def test_what_the_pipeline_does_not_say_is_called_so() -> None:
    said: dict[str, Any] = {"axes": "y, x", "missing": "NaN: no data"}
    meta = {"description": {"arrays": {"image": said}, "units": {"image": "nJy", "other": "DN"}}}
    image, other = array_words(meta, "image"), array_words(meta, "other")
    assert (image.axes, image.unit, image.normalised) == ("y, x", "nJy", "not stated by the pipeline")
    assert (other.axes, other.unit) == ("not stated by the pipeline", "DN")
    assert image.sentence == (
        "Axes: y, x. Unit: nJy. Normalisation: not stated by the pipeline. Missing values: NaN: no data."
    )


def test_how_a_sample_is_read() -> None:
    rows = SampleTable("stamps", "croissant/stamps.parquet", False, "float32", ((3, 63, 63), (3, 41, 41)))
    assert sample_words(rows).endswith(
        "float32 of shape (3, 63, 63) or (3, 41, 41), np.load(path, mmap_mode='r')[row]."
    )
    curves = SampleTable("epochs", "croissant/epochs.parquet", True, "float32", ((-1, 5),))
    assert "[start:stop]" in sample_words(curves)
    assert shape_text((3, 63, 63)) == "3,63,63"


def test_rounds_have_names() -> None:
    table = pd.DataFrame({"id": ["a"], "fold": ["train"]})
    assert fold_columns([table]) == ["fold"]
    assert fold_columns([table] * 3) == ["fold_0", "fold_1", "fold_2"]
    assert set(FOLDS) == {"train", "val", "test", "sealed", "unused"}
