"""Light curves as batches: windows cut at batch time, packed without padding, static features with masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.contracts.columns import Columns, columns_of, rows_of
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.datamodules.curve_features import ask, features, followed, last_seen, shorten
from astrid_ml.datamodules.draws import each, uniform
from astrid_ml.datamodules.features import Standardiser, scale_of, scaled
from astrid_ml.datamodules.prepared import Batch, PreparedDataModule
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.hosts import distance_modulus
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures
from astrid_ml.preprocessing.lightcurves.select.augment import REDSHIFTS, Augmentation, augment, moved_redshift
from astrid_ml.preprocessing.lightcurves.select.figure import DrawnEpochs, draw_png
from astrid_ml.preprocessing.lightcurves.select.masking import DRAWS as HIDING
from astrid_ml.preprocessing.lightcurves.select.masking import Masking, fixed_draws
from astrid_ml.preprocessing.lightcurves.select.presence import DRAWS, Presence, facts_of_curves
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import Count, Floats, Floats32, Ints, InUnits, Mask, Positive, Whole

SOME = 2000  # objects that are looked at
FARTHEST = 20.0  # no galaxy has been seen beyond: such a redshift is none


class CurveDataModule(PreparedDataModule):
    """Batches of whole curves with the questions that are asked about each.

    ``values`` (N, 17) epochs, ``lengths`` (B,), ``static`` (B, 2 S), ``y`` (B,) node places, ``queries`` (B, Q) epochs
    that a question may see, ``elapsed`` (B, Q) days since time zero that have passed at it, ``days`` (B, W) its window
    (of a whole curve its age), ``seen_days`` (B, W) those of the last epoch that it sees.

    A question at day d sees the epochs up to the last detection by that day: what the survey knew then, without the
    non-detections that the selection kept because a later detection followed them. With ``forced`` it sees all epochs
    by that day.

    With ``curve_features`` there are also ``features`` (B, Q, 2 F): at each question what the epochs that it sees give,
    standardised, then flags that say what is missing.

    Args:
        taxonomy: a shipped tree or a YAML file; labels that it does not know are left out.
        static: names of static columns; each becomes a standardised value and a flag that says it is missing.
        log_static: those of them that enter as logarithms (redshifts, distances, dust).
        windows: days since time zero at which validation and test are scored, the same objects at each.
        days: windows of prediction; empty: one row an object with all its epochs.
        softening: FLUXCAL at which asinh turns from linear to logarithmic.
        extra_queries: training only: questions at random epochs of each object beside those of the windows.
        redshift: columns of redshifts, the best first; an object's first known one (up to 20) gives its rest frame.
        augmentation: training only: how far objects are moved, dimmed and blurred; see
            :class:`astrid_ml.preprocessing.lightcurves.select.augment.Augmentation`. What is known of a moved
            object's host besides redshifts is masked.
        presence: training only: blocks of what is known that are left out at random, so that their absence is no
            class; None leaves nothing out. See :class:`astrid_ml.preprocessing.lightcurves.select.presence.Presence`.
        forced: questions see forced photometry after the last detection, which the data must keep
            (``preprocessing/lightcurves/selection=forced``).
        curve_features: features that are computed of the epochs beside them; None for none.
        masking: epochs that are hidden and asked after, for a network that learns from curves without classes
            (``model=lightcurve_masked``): all curves are used, and a batch also has ``targets`` (B, T, 5), the columns
            ``ASKED`` of :mod:`astrid_ml.preprocessing.lightcurves.select.masking`; None hides nothing.
        batch_size, eval_batch_size, num_workers, balance, undersample_ratio: as in the base class.
    """

    def __init__(
        self,
        taxonomy: str = "elasticc2",
        static: Sequence[str] = (),
        log_static: Sequence[str] = (),
        windows: Annotated[Sequence[Positive], InUnits("d")] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        days: Annotated[Sequence[Positive], InUnits("d")] = (),
        softening: Positive = 10.0,
        extra_queries: Whole = 3,
        redshift: Sequence[str] = (),
        augmentation: Augmentation | None = None,
        presence: Presence | None = None,
        forced: bool = False,
        curve_features: CurveFeatures | None = None,
        masking: Masking | None = None,
        batch_size: Count = 256,
        eval_batch_size: Count = 1024,
        num_workers: Whole = 0,
        balance: str = "none",
        undersample_ratio: Positive = 3.0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, num_workers, balance, undersample_ratio)
        if not windows or any(day <= 0 for day in [*windows, *days]):
            raise UserError(
                "datamodule.windows and datamodule.days above 0", f"{windows}, {days}", "for instance [1,64]"
            )
        self.taxonomy = load_taxonomy(taxonomy)
        self.standardiser = Standardiser(tuple(static))
        self.given_logs = tuple(log_static)
        self.log_static = [name for name in log_static if name in self.standardiser.columns]
        self.windows, self.days = [float(day) for day in windows], [float(day) for day in days]
        self.softening, self.extra_queries = softening, extra_queries
        self.redshift, self.augmentation = list(redshift), augmentation or Augmentation()
        self.presence, self.forced, self.curve_features = presence, forced, curve_features
        self.masking = masking

    @property
    def classes(self) -> list[str]:
        """All nodes of the tree."""
        return list(self.taxonomy.nodes)

    def draw(self, source: SampleSource, rows: Ints) -> list[bytes]:
        """Each object's epochs since time zero, by band."""
        flat, offsets = source.ragged("epochs", rows)
        index = rows_of(source, rows, ["id", "label"])
        labels = index["label"] if "label" in index else pd.Series([None] * len(rows))
        parts = zip(index["id"].astype(str), labels, np.split(flat, offsets[1:-1]), strict=True)
        return [
            draw_png(DrawnEpochs.of(name, None if pd.isna(label) else str(label), part)) for name, label, part in parts
        ]

    def domain_facts(self, source: SampleSource, rows: Ints, training: bool) -> pd.DataFrame:
        """See :class:`astrid_ml.contracts.told.TellsFacts`; a host that training leaves out may be none."""
        hosts = [name for name in self.standardiser.columns if name.startswith("HOSTGAL")]
        index = rows_of(source, rows, ["flux_kind", *hosts]).reset_index(drop=True)
        found = facts_of_curves(*source.ragged("epochs", rows), index)
        if training and "host" in found and self.presence is not None and self.presence.host > 0 and len(found):
            found.loc[len(found) - 1, "host"] = "none"
        return found

    reads: ClassVar[tuple[str, ...]] = ("lightcurves",)

    @property
    def column_keys(self) -> dict[str, Sequence[str]]:
        """The static columns and those of redshifts."""
        return {"static": self.standardiser.columns, "log_static": self.given_logs, "redshift": self.redshift}

    def example(self) -> Batch:
        """Two objects of three epochs, of the tree's first and last leaf, asked at two windows."""
        days = torch.tensor([0.0, 3.0, 9.0]).repeat(2)
        epochs = torch.stack([days, days + 50, days + 5, torch.ones(6), torch.full((6,), 0.6)], dim=1)
        lengths = torch.tensor([3, 3])
        leaves = self.taxonomy.level_nodes(self.taxonomy.n_levels)
        asked = torch.tensor([[1, 3], [1, 3]])
        width = 2 * len(self.curve_features.names) if self.curve_features else 0
        return {
            "values": features(epochs, lengths, self.softening),
            "lengths": lengths,
            "static": torch.zeros(2, self.standardiser.width),
            "y": torch.tensor([int(leaves[0]), int(leaves[-1])]),
            "queries": asked,
            "elapsed": torch.tensor([[1.0, 9.0], [1.0, 9.0]]),
            "days": torch.tensor([[1.0, 16.0], [1.0, 16.0]]),
            "seen_days": torch.tensor([[0.0, 9.0], [0.0, 9.0]]),
            **({"features": torch.zeros(2, 2, width)} if width else {}),
            **({"targets": torch.ones(2, self.masking.asked, 5)} if self.masking else {}),
        }

    def usable(self, index: Columns) -> Mask:
        """Objects whose label the taxonomy knows; where epochs are hidden and asked after, all of them."""
        out: Mask = (self._nodes(index) >= 0) | (self.masking is not None)
        return out

    def count_classes(self, source: SampleSource, rows: Ints) -> int:
        """Where epochs are hidden and asked after, every curve teaches by itself."""
        return len(rows) if self.masking is not None else super().count_classes(source, rows)

    def nodes_of(self, fold: str) -> Ints:
        """Node places of a fold's objects."""
        assert self.source is not None
        return self._nodes(rows_of(self.source, self.rows[fold], ["label"]))

    def _nodes(self, index: Columns) -> Ints:
        if "label" not in index:
            return np.full(len(index), -1, dtype=np.int64)
        return self.taxonomy.encode([None if pd.isna(label) else label for label in index["label"]])

    def static_columns(self, index: pd.DataFrame) -> pd.DataFrame:
        """The static columns of ``index``, some as logarithms; what has no logarithm is missing."""
        chosen = index[[name for name in self.standardiser.columns if name in index]].astype(np.float64)
        for name in self.log_static:
            values = chosen[name].to_numpy()
            chosen[name] = np.log(np.where(values > 0, values, np.nan))
        return chosen

    def fit_statistics(self, source: SampleSource, train_rows: Ints) -> dict[str, Any]:
        """Mean and spread of the static columns over the training objects, and of what is computed of some curves.

        Raises:
            UserError: questions are to see what follows the last detection, and nothing does in any object.
        """
        if self.forced and not followed(*source.ragged("epochs", train_rows[:SOME])):
            got = "curves that all end with a detection"
            fix = "add preprocessing/lightcurves/selection=forced, or leave out datamodule.forced"
            raise UserError("datamodule.forced=true with data that keep what follows the last detection", got, fix)
        out = self.standardiser.fit(self.static_columns(rows_of(source, train_rows, self.standardiser.columns)))
        if self.curve_features is not None:
            some = np.sort(np.random.default_rng(0).permutation(train_rows)[:SOME])
            out["curve_features"] = scale_of(self.features_at(source, some).reshape(-1, len(self.curve_features.names)))
        return out

    def features_at(self, source: SampleSource, rows: Ints) -> Floats32:
        """What is computed of curves at each window, (n, W, F); NaN where there are too few epochs."""
        made = self.curve_features or CurveFeatures(self.softening)
        flat, offsets = source.ragged("epochs", rows)
        lengths = np.diff(offsets)
        asked = ask(
            torch.from_numpy(np.array(flat)), torch.from_numpy(lengths), torch.tensor(self.windows), self.forced
        )
        modulus = distance_modulus(self.best_redshift(rows_of(source, rows, ["id", *self.redshift])))
        return made.of(flat, lengths, asked[0].numpy(), asked[1].numpy().astype(np.float64), modulus)

    def measured_questions(self, source: SampleSource, rows: Ints) -> Floats32:
        """See :class:`astrid_ml.contracts.told.MeasuresQuestions`: features at each window, and the static columns."""
        found = self.features_at(source, rows)
        static = rows_of(source, rows, ["id", *self.standardiser.columns]).drop(columns="id").to_numpy(np.float32)
        beside = np.broadcast_to(static[:, None], (*found.shape[:2], static.shape[1]))
        return np.concatenate([found, beside], axis=2)

    def make_batch(self, source: SampleSource, rows: Ints, generator: torch.Generator | None, train: bool) -> Batch:
        """Every object at every window; in training also at random epochs."""
        return self.batch_at(source, rows, self.windows, generator if train else None)

    def batches(
        self, source: SampleSource, rows: Ints | None = None, train: bool = False
    ) -> Iterator[tuple[Ints, Batch]]:
        """Chosen rows (they are to be judged) at every one of ``windows``; whole new files at ``days``."""
        days = (self.days or [np.inf]) if rows is None else self.windows
        rows = np.arange(len(columns_of(source)), dtype=np.int64) if rows is None else rows
        for start in range(0, len(rows), self.eval_batch_size):
            chosen = rows[start : start + self.eval_batch_size]
            yield np.repeat(chosen, len(days)), self.batch_at(source, chosen, days, None)

    def batch_at(
        self, source: SampleSource, rows: Ints, days: Sequence[float], generator: torch.Generator | None
    ) -> Batch:
        """Objects at all of some days (in the same order for each); a generator turns augmentation on."""
        index = rows_of(source, rows, list(dict.fromkeys(["label", *self.standardiser.columns, *self.redshift])))
        flat, offsets = source.ragged("epochs", rows)
        if generator is not None and self.augmentation.changes:
            flat, offsets, index = self._moved(flat, offsets, index, generator)
        if generator is not None and self.presence is not None and self.presence.changes:
            drawn = uniform(len(rows), DRAWS, generator).numpy()
            flat, offsets = self.presence.epochs(flat, offsets, drawn, self.forced)
            index = self.presence.columns(index, drawn, self.redshift)
        more: dict[str, Tensor] = {}
        if self.masking is not None:
            hiding = fixed_draws(rows) if generator is None else uniform(len(rows), HIDING, generator).numpy()
            flat, offsets, asked_after = self.masking.split(flat, offsets, hiding)
            more["targets"] = torch.from_numpy(asked_after)
        epochs, lengths = torch.from_numpy(np.array(flat)), torch.from_numpy(np.diff(offsets))
        asked = torch.tensor(days, dtype=torch.float32)
        queries, elapsed = ask(epochs, lengths, asked, self.forced)
        days_of_each = torch.where(torch.isfinite(asked), asked, elapsed)  # a whole curve is as old as its last epoch
        if generator is not None:
            beside, when = self._random_queries(epochs, lengths, generator)
            queries, elapsed = torch.cat([queries, beside], dim=1), torch.cat([elapsed, when], dim=1)
        seen_days = last_seen(epochs, lengths, queries[:, : len(days)])
        epochs, lengths = shorten(epochs, lengths, queries.max(dim=1).values)
        static = torch.zeros((len(rows), 0))
        if self.standardiser.columns:
            static = self.standardiser.apply(self.static_columns(index), self.statistics)
        z = self.best_redshift(index)
        modulus = distance_modulus(z)
        if self.curve_features is not None:
            seen, now = queries.numpy(), elapsed.numpy().astype(np.float64)
            found = self.curve_features.of(epochs.numpy(), lengths.numpy(), seen, now, modulus)
            more["features"] = scaled(found, self.statistics["curve_features"])
        return {
            "values": features(epochs, lengths, self.softening, torch.from_numpy(z), torch.from_numpy(modulus)),
            "lengths": lengths,
            "static": static,
            "y": torch.from_numpy(self._nodes(index)),
            "queries": queries,
            "elapsed": elapsed,
            "days": days_of_each,
            "seen_days": seen_days,
            **more,
        }

    def best_redshift(self, index: pd.DataFrame) -> Floats:
        """The first known positive redshift of each object; NaN where none is. Above ``FARTHEST`` is none.

        Raises:
            UserError: a column that the data do not have.
        """
        out = np.full(len(index), np.nan)
        absent = [name for name in self.redshift if name not in index]
        if absent:
            raise UserError(
                "columns of redshifts in the data", f"no column {absent}", "choose datamodule.redshift anew"
            )
        for name in self.redshift:
            z = index[name].to_numpy(dtype=np.float64, na_value=np.nan)
            out = np.where(np.isnan(out) & (z > 0) & (z <= FARTHEST), z, out)
        return out

    def seen_at(self, epochs: Floats32, offsets: Ints) -> Ints:
        """How many epochs of each object the questions at ``windows`` may see, (B, W): for models without batches."""
        lengths = torch.from_numpy(np.diff(offsets))
        seen, _ = ask(torch.from_numpy(np.array(epochs)), lengths, torch.tensor(self.windows), self.forced)
        out: Ints = seen.numpy()
        return out

    def _random_queries(self, epochs: Tensor, lengths: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Questions right after random epochs: (B, extra_queries) numbers of epochs, and the days of the last one."""
        share = uniform(len(lengths), self.extra_queries, generator)
        seen = (share * lengths[:, None]).long().clamp(max=lengths[:, None] - 1) + 1
        starts = torch.cumsum(lengths, 0) - lengths
        return seen, epochs[starts[:, None] + seen - 1, 0].clamp(min=0.0)

    def _moved(
        self, flat: Floats32, offsets: Ints, index: pd.DataFrame, generator: Any
    ) -> tuple[Floats32, Ints, pd.DataFrame]:
        """Other curves that the survey could have seen, and what would then be known of the objects."""
        own = [np.random.default_rng(seed) for seed in each(len(index), generator)]
        made = augment(flat, offsets, own, self.augmentation, self.best_redshift(index), self.forced)
        moved = made.ratio != 1
        if moved.any():
            index = index.copy()
            for name in dict.fromkeys([*self.standardiser.columns, *self.redshift]):
                if name in REDSHIFTS:
                    index[name] = moved_redshift(index[name].to_numpy(dtype=np.float64, na_value=np.nan), made.ratio)
                elif name.startswith("HOSTGAL"):
                    index.loc[moved, name] = np.nan
        return made.values, made.offsets, index
