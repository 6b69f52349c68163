"""The domain of validity of a run and of a prediction: from samples and networks to words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from astrid_ml.checkpoint.novelty import fitted_novelty
from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.contracts.scoring import Embeds, EmbedsBatches
from astrid_ml.contracts.told import TellsFacts
from astrid_ml.evaluation.sets.conformal import COLUMN as SETS
from astrid_ml.found import is_simulated
from astrid_ml.types import Floats, Ints, Mask
from astrid_ml.validity.appearance import appearance_of, blank, fit_appearance, is_image, strangeness_of
from astrid_ml.validity.density import KEPT, distances_of, fit_density
from astrid_ml.validity.domain import (
    IN_DOMAIN,
    ORIGIN,
    OUTSIDE,
    RANGES,
    Facts,
    fit_domain,
    in_words,
    is_measured,
    judged,
)
from astrid_ml.validity.spread import CLASS, MISSION, Counts, counts_of, fit_spread

if TYPE_CHECKING:
    from astrid_ml.checkpoint.load import LoadedModel
    from astrid_ml.checkpoint.record import Record

STAMP = ("stamp_h", "stamp_w")
EXPECTED = 0.95  # of held-out samples of the training dataset that lie inside
NOT_MEASURED = "the checkpoint holds no domain of validity: it is of an earlier version, or nobody knows it"


def facts_of(source: SampleSource, rows: Ints, data: object = None, training: bool = False) -> pd.DataFrame:
    """What the index, the description of its survey and the datamodule say of samples, a row each."""
    table = rows_of(source, rows, [*ORIGIN, *RANGES, *STAMP]).reset_index(drop=True)
    if set(STAMP) <= set(table.columns):
        table["stamp_size"] = table[list(STAMP)].max(axis=1)
        table = table.drop(columns=list(STAMP))
    if "mission" in table and "stamp_size" in table:
        from astrid_ml.preprocessing.surveys.registry import surveys_of

        known = surveys_of(None).known
        scales = {name: survey.stamp.pixel_scale for name, survey in known.items() if survey.stamp is not None}
        usual = pd.to_numeric(table["mission"].astype("object").map(scales))
        own = pd.to_numeric(table["pixel_scale"], errors="coerce") if "pixel_scale" in table else usual
        table["pixel_scale"] = own.astype("float64").fillna(usual.astype("float64"))
    if isinstance(data, TellsFacts) and len(rows):
        told = data.domain_facts(source, rows, training).set_index(table.index)
        table = table.assign(**{str(name): told[name] for name in told.columns})
    return table


@dataclass(frozen=True)
class Seen:
    """Samples as a network gets them.

    Args:
        known: (n, D) what it knows before its last layer; None of networks that do not tell, or were not asked.
        looks: (n, k) of :func:`astrid_ml.validity.appearance.appearance_of`; None of what are no images.
        blank: (n,) of :func:`astrid_ml.validity.appearance.blank`; None of what are no images.
    """

    known: Floats | None = None
    looks: Floats | None = None
    blank: Mask | None = None


def seen_by(task: object, data: Any, source: SampleSource, rows: Ints, ask: bool = True) -> Seen:
    """Samples as they come to a network, in one pass.

    Args:
        task: with its network.
        data: the datamodule.
        source: the samples.
        rows: positions in its index.
        ask: the network for what it knows.
    """
    import torch

    network = getattr(task, "network", None)
    if not isinstance(network, torch.nn.Module) or not len(rows):
        return Seen()
    network.eval()
    device = next((weight.device for weight in network.parameters()), torch.device("cpu"))
    known: list[Floats] = []
    looks: list[Floats] = []
    empty: list[Mask] = []
    with torch.inference_mode():
        for _, batch in data.batches(source, rows):
            found = _known(task, network, {name: value.to(device) for name, value in batch.items()}) if ask else None
            known += [] if found is None else [found.float().cpu().numpy().astype(np.float64)]
            if is_image(batch.get("x")):
                images = batch["x"].float().cpu().numpy()
                looks.append(appearance_of(images))
                empty.append(blank(images))
            elif found is None:
                return Seen()
    all_known, all_looks = (np.concatenate(parts) if parts else None for parts in (known, looks))
    return Seen(all_known, all_looks, np.concatenate(empty) if empty else None)


def embedded(task: object, data: Any, source: SampleSource, rows: Ints) -> Floats | None:
    """What a network knows of samples before its last layer, (n, D); None of networks that do not tell."""
    return seen_by(task, data, source, rows).known


def _known(task: object, network: object, batch: dict[str, Any]) -> Any:
    if isinstance(task, EmbedsBatches):
        return task.embed_batch(batch)
    return network.embed(batch["x"], batch.get("features")) if isinstance(network, Embeds) else None


def fit_validity(
    task: object,
    data: Any,
    source: SampleSource,
    folds: Sequence[Ints],
    sky: str | None,
    simulated: bool | None,
    drawn: Ints | None = None,
) -> dict[str, Any]:
    """The domain that a checkpoint keeps.

    Args:
        task: with the weights that are kept.
        data: the datamodule.
        source: the dataset.
        folds: positions of training and of validation.
        sky: convention of the stamps.
        simulated: whether a simulator made them.
        drawn: of training those that the network saw; the densities are theirs, else the rarer class would be lost.
    """
    random, (train, val) = np.random.default_rng(0), folds
    table = facts_of(source, np.concatenate([train, val]), data, training=True)
    if "detector" in table and set(table["detector"][len(train) :].dropna()) - set(table["detector"][: len(train)]):
        table = table.drop(columns="detector")  # held out by detector: it is to work on others
    learned_from = train if drawn is None else np.unique(drawn)
    some = [np.sort(random.permutation(rows)[:KEPT]).astype(np.int64) for rows in (learned_from, val)]
    first, second = (seen_by(task, data, source, rows) for rows in some)
    told = rows_of(source, some[1], [MISSION, CLASS]).reset_index(drop=True)
    labels = _of_two_classes(told)
    density = None if first.known is None or second.known is None else fit_density(first.known, second.known, labels)
    looks = None if first.looks is None or second.looks is None else fit_appearance(first.looks, second.looks, labels)
    novelty = fitted_novelty(task, data, source, (learned_from, val))
    plain = table.drop(columns=CLASS, errors="ignore").join(
        rows_of(source, np.concatenate([train, val]), [CLASS]).reset_index(drop=True)
    )
    learned = told.assign(**_distances({"density": density, "appearance": looks}, second))
    spread = fit_spread([plain, learned])
    return fit_domain(Facts(table, simulated), density, sky, looks, novelty, spread)


def _of_two_classes(table: pd.DataFrame) -> Floats | None:
    """Labels 0 and 1 as numbers, NaN where unknown; None where there are others, or none."""
    numbers = pd.to_numeric(table[CLASS], errors="coerce") if CLASS in table else pd.Series(dtype=float)
    known = numbers.dropna()
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan) if len(known) and known.isin([0, 1]).all() else None


def _distances(validity: Mapping[str, Any], seen: Seen) -> dict[str, Floats]:
    """How far samples lie from those of training, by the names of ``Facts``, each where it can be told."""
    density, looks = validity["density"], validity.get("appearance")
    out = {}
    if density is not None and seen.known is not None:
        out["distance"] = distances_of(density, seen.known)
    if looks is not None and seen.looks is not None:
        out["strangeness"] = strangeness_of(looks, seen.looks)
    return out


def domain_of(
    model: LoadedModel, source: SampleSource, rows: Ints, simulated: bool | None, other_sky: Collection[str] = ()
) -> pd.DataFrame:
    """``in_domain`` and ``outside_because`` of samples, a row for each position; see :func:`measured`."""
    asked = (model.tasks[0], model.datamodule)
    return domain_of_rows(model.record.validity, asked, source, rows, simulated, other_sky)


def domain_of_rows(
    validity: dict[str, Any] | None,
    asked: tuple[object, Any],
    source: SampleSource,
    rows: Ints,
    simulated: bool | None,
    other_sky: Collection[str] = (),
) -> pd.DataFrame:
    """The same for a task and a datamodule, as a training has them; see :func:`measured`."""
    return judged(validity, measured(validity, asked, source, rows, simulated, other_sky))


def measured(
    validity: Mapping[str, Any] | None,
    asked: tuple[object, Any],
    source: SampleSource,
    rows: Ints,
    simulated: bool | None,
    other_sky: Collection[str] = (),
) -> Facts:
    """What decides whether samples lie in the domain.

    Args:
        validity: of the record.
        asked: the task and the datamodule.
        source: the samples.
        rows: positions in its index.
        simulated: whether a simulator made them; None where nobody knows.
        other_sky: ids of stamps whose sky is not as training's was.
    """
    table, sky, seen, far = facts_of(source, rows, asked[1]), None, Seen(), dict[str, Floats]()
    if validity is not None and is_measured(validity):
        seen = seen_by(*asked, source, rows, ask=validity["density"] is not None)
        far = _distances(validity, seen)
    if other_sky:
        sky = rows_of(source, rows, ["id"])["id"].astype(str).isin(set(other_sky)).to_numpy(dtype=bool)
    return Facts(table, simulated, sky, far.get("distance"), far.get("strangeness"), seen.blank)


def spread_in(validity: Mapping[str, Any] | None, facts: Facts) -> Counts:
    """How the numbers of samples are spread, for the comparison of the whole set."""
    far = {"distance": facts.distance, "strangeness": facts.strangeness}
    table = facts.table.assign(**{name: values for name, values in far.items() if values is not None})
    return counts_of((validity or {}).get("spread"), table)


def beside(table: pd.DataFrame, found: pd.DataFrame, at: Ints) -> pd.DataFrame:
    """A table of predictions with the columns of the domain.

    Args:
        table: of predictions; a sample may have several rows.
        found: of :func:`domain_of`.
        at: the row of ``found`` of each prediction, (n,).
    """
    return table.assign(**{name: found[name].take(at).array for name in (IN_DOMAIN, OUTSIDE)})


_PROMISES = ("probability", "p_", SETS)  # beginnings of columns: what holds for samples like those of training


def without_outside(table: pd.DataFrame, allow_outside: bool) -> pd.DataFrame:
    """Predictions whose probabilities and sets are null outside the domain, unless they are wanted there too."""
    if allow_outside or IN_DOMAIN not in table:
        return table
    outside = table[IN_DOMAIN].eq(False).fillna(False).to_numpy(dtype=bool)
    names = [str(name) for name in table if str(name).startswith(_PROMISES)]
    out = table.copy()
    for name in names if outside.any() else []:
        out[name] = out[name].where(~outside)
    return out


def counted(table: pd.DataFrame) -> dict[str, Any]:
    """``inside``, ``outside``, ``not_measured`` and ``because`` (reason -> samples) of a table of predictions.

    A sample counts once, at however many windows it was answered.
    """
    table = table.drop_duplicates("id") if {"id", "days"} <= set(table.columns) else table
    known = table[IN_DOMAIN] if IN_DOMAIN in table else pd.Series(pd.NA, table.index, dtype="boolean")
    because: Counter[str] = Counter()
    if OUTSIDE in table:
        for text, count in table[OUTSIDE].dropna().value_counts().items():
            because.update({reason: int(count) for reason in str(text).split("; ")})
    inside, outside = int((known == True).sum()), int((known == False).sum())  # noqa: E712  NA is neither
    return {
        "inside": inside,
        "outside": outside,
        "not_measured": len(table) - inside - outside,
        "because": dict(because),
    }


def said(counts: Mapping[str, Any], allow_outside: bool, probabilities: bool = True) -> str:
    """One line on the domain; empty where all lies inside.

    Args:
        counts: of :func:`counted`.
        allow_outside: whether probabilities are given outside too.
        probabilities: whether the checkpoint gives any.

    Example:
        >>> counts = {"inside": 1, "outside": 3, "not_measured": 0, "because": {"mission x was not trained on": 3}}
        >>> print(said(counts, False).replace("; ", chr(10)))
        3 of 4 samples lie outside the domain of validity (mission x was not trained on: 3)
        their probability is null, allow_outside=true gives it
    """
    total = counts["inside"] + counts["outside"] + counts["not_measured"]
    if counts["not_measured"] and counts["not_measured"] == total:
        return f"in_domain is null: {NOT_MEASURED}"
    if not counts["outside"]:
        return ""
    first = sorted(counts["because"].items(), key=lambda item: -item[1])[:3]
    because = "; ".join(f"{reason}: {count:,}" for reason, count in first)
    if more := len(counts["because"]) - len(first):
        because += f"; and {more} more {'reason' if more == 1 else 'reasons'}"
    text = f"{counts['outside']:,} of {total:,} samples lie outside the domain of validity ({because})"
    if not probabilities:
        return f"{text}; do not trust their scores"
    if allow_outside:
        return f"{text}; their probability is given (allow_outside=true)"
    return f"{text}; their probability is null, allow_outside=true gives it"


def domain_record(
    record: Record, counts: Mapping[str, Any], allow_outside: bool = False, own: bool = False
) -> dict[str, Any]:
    """What a run's record and card say: the domain in words, and how many of the samples lie inside.

    Args:
        record: of the checkpoint.
        counts: of :func:`counted`, of held-out samples.
        allow_outside: see :func:`without_outside`.
        own: whether these are held-out samples of the training dataset: they keep their probabilities, and a few lie
            outside by the choice of the threshold.
    """
    known = counts["inside"] + counts["outside"]
    share = counts["inside"] / known if known else None
    words = said(counts, allow_outside, record.calibrated)
    if own and share is not None:
        words = "" if share >= EXPECTED else f"{words.rpartition('; ')[0]}: new samples like these get no probability"
    return {"trained_on": in_words(record.validity), "share_inside": share, **counts, "words": words}


def simulated_files(paths: Sequence[Path]) -> bool:
    """Whether all of these files are a simulator's, by what it left beside them."""
    return bool(paths) and all(is_simulated(path) for path in paths)
