"""What a description of a dataset says in words: its arrays, its labels, when and how the data were taken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from astrid_ml.dataset.prepared import FRAMES, PreparedDataset, said_of_partial
from astrid_ml.dataset.sample_tables import SampleTable
from astrid_ml.days import FIRST, LAST
from astrid_ml.described.columns import OURS, ColumnMeaning, TableMeaning, has_others, printable_ascii

MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
NOT_STATED = "not stated by the pipeline"


@dataclass(frozen=True)
class ArrayWords:
    """What one kind of array means.

    Args:
        kind: the array's name.
        axes: of one sample.
        unit: of its values.
        channels: names along the axis ``channel``, or of the columns of a curve; empty where it has none.
        normalised: what was done to the values.
        missing: what stands where there are no data.
    """

    kind: str
    axes: str = NOT_STATED
    unit: str = NOT_STATED
    channels: tuple[str, ...] = ()
    normalised: str = NOT_STATED
    missing: str = NOT_STATED

    @property
    def sentence(self) -> str:
        """All of it in one paragraph."""
        named = f" Channels: {', '.join(self.channels)}." if self.channels else ""
        return (
            f"Axes: {self.axes}.{named} Unit: {self.unit}. Normalisation: {self.normalised}. "
            f"Missing values: {self.missing}."
        )


def array_words(meta: Mapping[str, Any], kind: str) -> ArrayWords:
    """What the pipeline's description says of an array; what it does not say is called so.

    Args:
        meta: of ``dataset.json``.
        kind: the array's name.
    """
    described = meta.get("description", {})
    said: Mapping[str, Any] = described.get("arrays", {}).get(kind, {})
    unit = said.get("unit") or described.get("units", {}).get(kind) or NOT_STATED
    given = {name: str(said[name]) for name in ("axes", "normalised", "missing") if said.get(name)}
    channels = tuple(str(name) for name in said.get("channels", ()))
    return ArrayWords(kind, unit=str(unit), channels=channels, **given)


def index_meaning(meta: Mapping[str, Any], columns: Iterable[Any]) -> TableMeaning:
    """What the columns of an index mean; of stamps of others only those that this program fills itself.

    Args:
        meta: of ``dataset.json``.
        columns: of the index.
    """
    own: dict[str, ColumnMeaning] = {}
    if has_others(meta.get("description", {})):
        own = {str(name): ColumnMeaning() for name in columns if str(name) not in OURS}
    own["label"] = ColumnMeaning("", printable_ascii(label_words(meta)), "meta.code.class")
    return TableMeaning("index", own=own)


def sample_words(table: SampleTable) -> str:
    """How a sample of a kind of array is read."""
    shapes = " or ".join(str(shape) for shape in table.shapes)
    place = "np.load(path, mmap_mode='r')[start:stop]" if table.ragged else "np.load(path, mmap_mode='r')[row]"
    return f"Array {table.kind!r} of each sample: {table.dtype} of shape {shapes}, {place}."


def label_words(meta: Mapping[str, Any]) -> str:
    """What the column ``label`` means, where it comes from, and whether it is a proxy."""
    account = meta.get("labels") or {}
    counted = ", ".join(
        f"{name}: {number}" for name, number in sorted(meta.get("counts", {}).get("by_label", {}).items())
    )
    meaning = meta.get("description", {}).get("label", "Known class; null where nobody knows")
    said = f"{meaning}. Source: {account.get('source', 'none was given')}."
    if account.get("proxy"):
        said += f" It is a proxy: {account.get('words', account.get('source'))}"
    return f"{said} Counts: {counted or 'none'}."


def responsible_ai(dataset: PreparedDataset) -> dict[str, Any]:
    """Fields of Croissant's vocabulary for responsible AI, of what is known; the pipeline's own words go first."""
    meta, own = dataset.meta, dataset.meta.get("description", {}).get("rai", {})
    limits = [*_listed(own.get("data_limitations")), *filter(None, [said_of_partial(meta), _dropped(meta)])]
    known: dict[str, Any] = {
        "data_annotation_protocol": label_words(meta),
        "data_collection_timeframe": _timeframe(dataset),
        "data_biases": _shares(dataset),
        "personal_sensitive_information": "None: pixels and catalogues of the sky.",
    }
    both = {**known, **own}
    if "data_annotation_protocol" in own:
        both["data_annotation_protocol"] = [own["data_annotation_protocol"], known["data_annotation_protocol"]]
    both["data_biases"] = [*_listed(own.get("data_biases")), *_listed(known["data_biases"])]
    both["data_limitations"] = limits
    return {name: value for name, value in both.items() if value}


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _timeframe(dataset: PreparedDataset) -> list[datetime]:
    """First and last time of the samples (MJD), of those that have one which a calendar has."""
    if "mjd" not in dataset.by_column:
        return []
    days = np.asarray(dataset.by_column["mjd"].to_numpy(dtype=np.float64, na_value=math.nan))
    days = days[(days >= FIRST) & (days < LAST)]
    if not len(days):
        return []
    return [_date(float(days.min())), _date(float(days.max()))]


def _date(mjd: float) -> datetime:
    """A time to the second."""
    return MJD_ZERO + timedelta(seconds=round(mjd * 86400))


def _dropped(meta: Mapping[str, Any]) -> str:
    reasons = meta.get("drops_by_reason") or {}
    if not reasons:
        return ""
    first = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:5]
    return f"Left out: {', '.join(f'{number} ({reason})' for reason, number in first)}."


def _shares(dataset: PreparedDataset) -> list[str]:
    """How unequal classes and missions are, and whether a simulator made the data."""
    out = []
    for name in ("label", "mission"):
        counted = _counted(dataset, name)
        if counted:
            out.append(f"Shares by {name}: {', '.join(f'{value} {share:.3g}' for value, share in counted)}.")
    source = dict(_counted(dataset, "label_source"))
    if source.get("simulation") == 1.0:
        out.append("All samples are simulated: a model trained on them knows the simulator's sky.")
    return out


def _counted(dataset: PreparedDataset, name: str) -> list[tuple[str, float]]:
    """(value, share of the samples), the most frequent first; at most 20."""
    if name not in dataset.by_column:
        return []
    values = dataset.by_column[name].astype("string").dropna().value_counts(normalize=False)
    total = len(dataset.by_column)
    ordered = sorted(
        ((str(value), int(number)) for value, number in values.items()), key=lambda item: (-item[1], item[0])
    )
    return [(value, number / total) for value, number in ordered[:20]]


def frames_of(dataset: PreparedDataset) -> list[str]:
    """Whole frames that samples name by path, each once."""
    if FRAMES not in dataset.by_column:
        return []
    return sorted(name for name in dataset.different(FRAMES) if (dataset.path / name).is_file())
