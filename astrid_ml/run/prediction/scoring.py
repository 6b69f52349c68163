"""One unit of raw files, read and scored in whatever process it falls to; its rows are kept as a file of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from astrid_ml.build import build
from astrid_ml.checkpoint.novelty import with_novelty
from astrid_ml.contracts.by_part import TOLD_FROM, identity_of, told_apart, without_repeats
from astrid_ml.contracts.by_part import counted as reasons_of
from astrid_ml.contracts.pipeline import DomainPipeline, Drop, SampleSource, Unit
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import fingerprint
from astrid_ml.pipeline.contract import process
from astrid_ml.pipeline.parts import PARTS, RefusedError
from astrid_ml.pipeline.units import state_of
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.run.prediction.domain import beside, counted, measured, simulated_files, spread_in, without_outside
from astrid_ml.run.prediction.drops import table_of
from astrid_ml.run.prediction.extremes import Extremes
from astrid_ml.run.prediction.sky import MOST, against_normalisation, against_sky
from astrid_ml.table_files import write_table
from astrid_ml.validity.domain import judged
from astrid_ml.validity.spread import Counts

if TYPE_CHECKING:
    from astrid_ml.checkpoint.load import LoadedModel
    from astrid_ml.evaluation.judge import Judge

AGAIN = "the same id was scored already"


class UnscorableError(UserError):
    """Samples that were read and that the checkpoint cannot score.

    Args:
        expected: what the program needed.
        got: what it found instead.
        fix: what the user can do now.
    """


@dataclass(frozen=True)
class Scoring:
    """What scores, as any process can load it.

    Args:
        checkpoint: the file.
        config: its configuration, with the user's overrides merged in.
        trust: classes outside this project that may be named.
        device: where the network computes, as torch names it.
        allow_outside: give probabilities outside the domain of validity too.
    """

    checkpoint: Path
    config: Mapping[str, Any]
    trust: tuple[str, ...] = ()
    device: str = "cpu"
    allow_outside: bool = False

    def load(self) -> tuple[LoadedModel, Judge]:
        """The checkpoint and its judge; read once in a process.

        Raises:
            RefusedError: the checkpoint cannot be loaded, whatever it is to score.
        """
        try:
            key = fingerprint(str(self.checkpoint), state_of(self.checkpoint), self.config, self.trust, self.device)
            if key not in _loaded:
                from astrid_ml.checkpoint.load import load_model

                model = load_model(self.checkpoint, self.trust, dict(self.config), self.device)
                judge: Judge = build(self.config["evaluation"], self.trust)
                _loaded.clear()  # one at a time: the memory is for the samples
                _loaded[key] = (model, judge)
            return _loaded[key]
        except UserError as error:
            raise RefusedError(error.expected, error.got, error.fix) from error


_loaded: dict[str, tuple[LoadedModel, Judge]] = {}
_shown: dict[str, Extremes] = {}  # what this process has drawn for the command that is at work


@dataclass(frozen=True)
class UnitToScore:
    """A unit, and where its results go.

    Args:
        unit: of the reader's plan.
        mark: of its files, below ``parts/``.
    """

    unit: Unit
    mark: str


@dataclass(frozen=True)
class PartFiles:
    """The files of a scored unit.

    Args:
        folder: of all results.
        mark: of the unit.
    """

    folder: Path
    mark: str
    scores: Path = field(init=False)
    pictures: Path = field(init=False)
    drops: Path = field(init=False)

    def __post_init__(self) -> None:
        for name, ending in (("scores", "parquet"), ("pictures", "pictures.parquet"), ("drops", "drops.parquet")):
            object.__setattr__(self, name, self.folder / PARTS / f"{self.mark}.{ending}")


@dataclass(frozen=True)
class ScoreUnit:
    """The work of a prediction.

    Args:
        scoring: what scores.
        pipeline: what reads.
        folder: of the results.
        command: a word of its own for each command, which tells its pictures from those of the one before.
    """

    scoring: Scoring
    pipeline: DomainPipeline
    folder: Path
    command: str

    def __call__(self, item: UnitToScore) -> tuple[dict[str, Any], list[Path]]:
        """Read and score a unit.

        Returns:
            ``scored`` rows, ``dropped`` (reason -> number), ``counts`` of the pipeline, and how many stamps have
            another sky than the checkpoint's (``against_sky``, with the first of them by name) or were normalised
            before in a way that its channels do not undo (``against_normalisation``, by kind), and how their numbers
            are ``spread``; and the files that hold scores, pictures and what was dropped, each where there is any.

        Raises:
            RefusedError: the checkpoint cannot be loaded.
            UnscorableError: it cannot score such samples.
        """
        from threadpoolctl import threadpool_limits

        model, judge = self.scoring.load()
        # Two threads add numbers in another order than one. Several units at a time are what uses several processors.
        with threadpool_limits(1):
            writer = MemoryUnitWriter(self.pipeline.describe())
            process(self.pipeline, item.unit, writer, 0)
            source: SampleSource = writer.source()
            if renamed := name_apart(source, identity_of(self.pipeline)):
                writer.count("ids_told_apart", renamed)
            source, repeated = once_each(source)
            contradicted = against_sky(model.record, source)
            simulated = simulated_files(item.unit.inputs)
            scored, spread = scores_of(model, judge, source, item.unit.id), Counts()
            if len(scored):
                strange = [str(named["id"]) for named in contradicted]
                scored, spread = with_domain(model, scored, source, simulated, strange)
                scored = without_outside(scored, self.scoring.allow_outside)
            normalised = against_normalisation(model.record, source)
        files, written = PartFiles(self.folder, item.mark), []
        drops = [*writer.drops, *repeated]
        if drops:
            write_table(table_of(drops, item.unit.id), files.drops)
            written.append(files.drops)
        if len(scored):
            write_table(scored, files.scores)
            written.append(files.scores)
            written += self._draw(model, scored, source, files)
        dropped = reasons_of(drops)
        sky = {"against_sky": len(contradicted), "against_sky_named": contradicted[:MOST]}
        sky["against_normalisation"], sky["domain"], sky["spread"] = normalised, counted(scored), spread
        return {"scored": len(scored), "dropped": dropped, "counts": writer.counts, **sky}, written

    def _draw(self, model: LoadedModel, scored: pd.DataFrame, source: SampleSource, files: PartFiles) -> list[Path]:
        """Draw what is more extreme than all that this process has drawn."""
        extremes = _shown.get(self.command, Extremes()).copy()
        new = extremes.offer(scored, source, model.datamodule)
        if len(new):
            write_table(new, files.pictures)
        _shown.clear()
        _shown[self.command] = extremes
        return [files.pictures] if len(new) else []


def with_domain(
    model: LoadedModel, scored: pd.DataFrame, source: SampleSource, simulated: bool, other_sky: Sequence[str]
) -> tuple[pd.DataFrame, Counts]:
    """A unit's predictions with ``in_domain`` and ``outside_because``, and how the numbers of its samples are spread.

    Args:
        model: a loaded checkpoint.
        scored: its predictions; an object may have several rows.
        source: its samples.
        simulated: whether they are a simulator's.
        other_sky: ids of those whose sky is not as training's was.
    """
    rows = np.arange(len(source.index), dtype=np.int64)
    asked, validity = (model.tasks[0], model.datamodule), model.record.validity
    facts = measured(validity, asked, source, rows, simulated, other_sky)
    found = judged(validity, facts)
    places = pd.Series(rows, index=source.index["id"].astype(str)).loc[scored["id"].astype(str)].to_numpy()
    table = with_novelty(beside(scored, found, places), validity, asked, source, None, places)
    return table, spread_in(validity, facts)


def name_apart(source: SampleSource, identity: Sequence[str]) -> int:
    """Give different samples of a unit that have one id an id of each; see :func:`told_apart`.

    Args:
        source: of the unit; its index is changed.
        identity: columns by which they are told apart.

    Returns:
        How many have got one.
    """
    before = source.index["id"].astype(str)
    own = told_apart(source.index, identity)
    if (own == before).all():
        return 0
    source.index = source.index.assign(**{"id": own, TOLD_FROM: before.where(before != own)})
    return int(own[own != before].nunique())


def once_each(source: SampleSource) -> tuple[SampleSource, list[Drop]]:
    """A unit's samples, each id once, and a drop for each of those left out.

    Args:
        source: of the unit; its index is changed.
    """
    repeated = source.index["id"].astype(str).duplicated().to_numpy()
    if not repeated.any():
        return source, []
    source.index, dropped = without_repeats(source.index, repeated, AGAIN)
    return source, dropped


def scores_of(model: LoadedModel, judge: Judge, source: SampleSource, unit: str) -> pd.DataFrame:
    """A table of predictions of a unit's samples.

    Args:
        model: a loaded checkpoint.
        judge: of its task.
        source: the samples.
        unit: stands in the column ``source`` where the samples do not say where they come from.

    Raises:
        UnscorableError: what the checkpoint says of such samples.
    """
    from astrid_ml.checkpoint.predictions import ordered
    from astrid_ml.checkpoint.score import score_source

    if not len(source.index):
        return pd.DataFrame()
    try:
        scored = score_source(model, judge, model.record.calibration, source)
    except UserError as error:
        raise UnscorableError(error.expected, error.got, error.fix) from error
    if "source" not in scored:
        scored["source"] = unit
    return ordered(scored)
