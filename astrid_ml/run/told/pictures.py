"""The samples that a reader wants to see, as the judge picks and the datamodule draws them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import Draws, PicksSamples
from astrid_ml.report.content import SamplePicture

MOST = 8  # pictures of each kind


def picked(judge: object, predictions: pd.DataFrame, most: int = MOST) -> dict[str, pd.DataFrame]:
    """Heading -> the predictions that are shown, with ``caption``; empty where the judge picks none.

    Args:
        judge: picks, where it is able to.
        predictions: of one fold.
        most: of each kind.
    """
    return judge.notable(predictions, most) if isinstance(judge, PicksSamples) and len(predictions) else {}


def notable_captions(judge: object, predictions: pd.DataFrame) -> dict[str, list[str]]:
    """Heading -> what stands under the pictures of :func:`notable`.

    Args:
        judge: picks.
        predictions: of one fold.
    """
    return {heading: list(table["caption"]) for heading, table in picked(judge, predictions).items()}


def notable(
    judge: object, predictions: pd.DataFrame, source: SampleSource, datamodule: Draws, most: int = MOST
) -> dict[str, list[SamplePicture]]:
    """Pictures of notable predictions; empty where the judge picks none or the data have no pictures.

    Args:
        judge: picks, where it is able to.
        predictions: with ``index_row``, positions in the source's index.
        source: the samples.
        datamodule: draws them.
        most: pictures of each kind.
    """
    pictures = {}
    for heading, table in picked(judge, predictions, most).items():
        drawn = datamodule.draw(source, table["index_row"].to_numpy(np.int64)) if len(table) else []
        pictures[heading] = [SamplePicture(text, png) for text, png in zip(table["caption"], drawn, strict=False)]
    return {heading: some for heading, some in pictures.items() if some}
