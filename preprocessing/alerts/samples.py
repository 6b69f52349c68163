"""The samples of a unit: what is counted of each packet, and what of all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import UnitWriter
from astrid_ml.preprocessing.alerts.fields.numbers import NUMBERS
from astrid_ml.preprocessing.alerts.packet import possible
from astrid_ml.preprocessing.alerts.planes import PlanesOfCutouts
from astrid_ml.preprocessing.stamps import FADED, NAN_PIXELS, ONE_VALUE, extremes_snr, faded_at_centre, flat_channels
from astrid_ml.preprocessing.surveys.survey import StampConvention
from astrid_ml.printable import encodable
from astrid_ml.types import Floats32, Ints

IMPOSSIBLE = "impossible_values_of_"  # a count of those that became null, by column
FLOATS = ("mjd", "ra", "dec", "snr", "reliability", *NUMBERS)
TEXTS = ("filter", "field", "detector", "drbversion", "rbversion", "time_ref")


def table_of(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Records as a table: ``FLOATS`` are float64 with NaN for None, ``TEXTS`` texts; column by column, which is fast.

    >>> table_of([{"id": "1", "mjd": 60000.5, "filter": None}, {"id": "2", "mjd": None, "filter": "g"}])["mjd"].tolist()
    [60000.5, nan]
    """
    names = dict.fromkeys([*(name for record in records for name in record), *FLOATS, *TEXTS])
    columns: dict[str, Any] = {}
    for name in names:
        values = [record.get(name) for record in records]
        if name in FLOATS:
            columns[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        else:
            columns[name] = pd.array(values, dtype="string") if name in TEXTS else values
    return pd.DataFrame(columns)


@dataclass
class UnitSamples:
    """The samples of a unit, until they are written.

    Args:
        writer: gets them, and what is counted.
        account: of what became null when the packets were read.
        records, stamps, planes: of each.
        upright: whether the survey's convention makes its difference stamp positive at the centre.
        turned: whether its difference stamp was turned over when it was read.
    """

    writer: UnitWriter
    account: Counter[str] = field(default_factory=Counter)
    records: list[dict[str, Any]] = field(default_factory=list)
    stamps: list[Floats32] = field(default_factory=list)
    planes: list[dict[str, Floats32]] = field(default_factory=list)
    upright: list[bool] = field(default_factory=list)
    turned: list[bool] = field(default_factory=list)

    def add(
        self, record: dict[str, Any], images: Floats32, extra: PlanesOfCutouts, stamp: StampConvention | None
    ) -> None:
        """One more.

        Args:
            record: of the index.
            images: (3, size, size).
            extra: planes beside the images.
            stamp: what its survey's description says.
        """
        unknown = record["filter"] is None
        record, impossible = possible(record)
        named = [f"{IMPOSSIBLE}{column}" for column in impossible]
        named += [f"{ONE_VALUE}{channel}" for channel in flat_channels(images, np.inf)]
        named += [f"stamps_without_{plane}" for plane in extra.lost]
        negative = stamp.negative if stamp else None
        if record["n_nan"]:
            named.append(NAN_PIXELS)
        if record["sign"] == -1 and negative is None:
            named.append("negative_detections_of_unknown_convention")
        if unknown:
            named.append("detections_of_unknown_filter")
        if record["sign"] is None:
            named.append("detections_of_unknown_sign")
        self.account.update([*named, f"read_{record['mission']}"])
        self.records.append(
            {key: encodable(value) if isinstance(value, str) else value for key, value in record.items()}
        )
        self.stamps.append(images)
        self.planes.append(extra.planes)
        self.upright.append(negative == "positive" or (negative == "negative" and record["sign"] is not None))
        self.turned.append(negative == "negative" and record["sign"] == -1)

    def write(self) -> None:
        """UnitSamples of one shape and kind together, in the order in which they came; then what was counted."""
        kinds: dict[tuple[Any, ...], list[int]] = {}
        for number, (image, extra) in enumerate(zip(self.stamps, self.planes, strict=True)):
            shapes = sorted((name, part.shape) for name, part in extra.items())
            kinds.setdefault((image.shape, *shapes), []).append(number)
        for rows in kinds.values():
            self._write(rows)
        self.account.update(self._smaller())
        for name, number in self.account.items():
            if number:
                self.writer.count(name, number)

    def _write(self, rows: list[int]) -> None:
        stacked = np.stack([self.stamps[row] for row in rows])
        highest, lowest = extremes_snr(stacked[:, 2])
        turned, upright = (np.array([flags[row] for row in rows]) for flags in (self.turned, self.upright))
        table = table_of([self.records[row] for row in rows])
        table = table.assign(peak_snr=highest, peak_sent=np.where(turned, -lowest, highest))
        self.account[FADED] += int((faded_at_centre(highest, lowest) & upright).sum())
        extra = {name: np.stack([self.planes[row][name] for row in rows]) for name in self.planes[rows[0]]}
        self.writer.add(table, {"stamps": stacked, **extra})

    def _smaller(self) -> Counter[str]:
        """Stamps that are smaller than the description says: cut at an edge, unless most are squares of one size."""
        of_missions = Counter(record["mission"] for record in self.records)
        sizes: Ints = np.array([image.shape[-1] for image in self.stamps], dtype=np.int64)
        found = Counter(
            (record["mission"], int(size), record["stamp_h"], record["stamp_w"])
            for record, size in zip(self.records, sizes, strict=True)
        )
        out: Counter[str] = Counter()
        for (mission, size, height, width), number in found.items():
            if (height, width) == (size, size):
                continue
            alike = height == width and number > 1 and 2 * number > of_missions[mission]
            name = f"stamps_of_{height}_x_{width}_where_{mission}_is_described_with_{size}"
            out[name if alike else "stamps_cut_at_an_edge"] += number
        return out
