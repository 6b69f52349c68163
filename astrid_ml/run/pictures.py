"""The samples that a reader wants to see, as the judge picks and the datamodule draws them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import Draws, PicksSamples
from astrid_ml.report.content import SamplePicture


def notable(
    judge: object, predictions: pd.DataFrame, source: SampleSource, datamodule: Draws, most: int = 8
) -> dict[str, list[SamplePicture]]:
    """Pictures of notable predictions; empty where the judge picks none or the data have no pictures.

    Args:
        judge: picks, where it is able to.
        predictions: with ``index_row``, positions in the source's index.
        source: the samples.
        datamodule: draws them.
        most: pictures of each kind.
    """
    if not isinstance(judge, PicksSamples) or predictions.empty:
        return {}
    pictures = {}
    for heading, table in judge.notable(predictions, most).items():
        drawn = datamodule.draw(source, table["index_row"].to_numpy(np.int64)) if len(table) else []
        pictures[heading] = [SamplePicture(text, png) for text, png in zip(table["caption"], drawn, strict=False)]
    return {heading: some for heading, some in pictures.items() if some}
