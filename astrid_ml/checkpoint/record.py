"""What a checkpoint carries beside its weights, all in plain containers and tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from astrid_ml.build import registry
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.schema import CHECKPOINT, checked
from astrid_ml.contracts.columns import Columns
from astrid_ml.errors import UserError
from astrid_ml.identity import current, lasting, without_gone
from astrid_ml.sky import nearest
from astrid_ml.taxonomy import refuse_trees_outside, with_trees_inside
from astrid_ml.types import Array, Mask

BLOCK = 1 << 18  # texts that are hashed together


@dataclass(frozen=True)
class TrainingDigest:
    """Which samples the training and validation folds held, as hashes and positions.

    It lets ``astrid evaluate`` leave out rows of another dataset that the model has seen, without carrying them.

    Args:
        ids: 64-bit hashes of the ids, shape (n,).
        groups: 64-bit hashes of the group ids, shape (m,).
        positions: ra, dec in degrees (ICRS), shape (k, 2).
        tested: 64-bit hashes of the test fold's ids: on the training dataset only these are evaluated.
        sealed: 64-bit hashes of the ids and the group ids of samples that are kept for one evaluation at the end.
    """

    ids: torch.Tensor
    groups: torch.Tensor
    positions: torch.Tensor
    tested: torch.Tensor
    sealed: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    @classmethod
    def of(cls, index: Columns, tested: Iterable[Any] = (), sealed: Columns | None = None) -> TrainingDigest:
        """The digest of these rows of an index, of the test fold's ids, and of rows that are sealed."""
        positions = np.zeros((0, 2))
        if {"ra", "dec"} <= set(index.columns):
            positions = index[["ra", "dec"]].to_numpy(dtype=np.float64, na_value=np.nan)
            positions = np.unique(positions[np.isfinite(positions).all(axis=1)], axis=0)
        names = [] if sealed is None else [*sealed["id"], *sealed["group_id"].unique()]
        own, groups = hashes(index["id"]), hashes(index["group_id"].unique())
        return cls(own, groups, torch.from_numpy(positions), hashes(tested), hashes(names))

    @classmethod
    def union(cls, parts: Sequence[TrainingDigest]) -> TrainingDigest:
        """Of several members: what any of them saw; ``tested`` is what at least one of them never saw."""
        ids, groups, tested, sealed = (
            torch.unique(torch.cat([getattr(part, name) for part in parts]))
            for name in ("ids", "groups", "tested", "sealed")
        )
        return cls(ids, groups, torch.unique(torch.cat([part.positions for part in parts]), dim=0), tested, sealed)

    def in_test(self, index: Columns) -> Mask:
        """Which rows of the training dataset belong to the run's test fold, (n,)."""
        return np.isin(hashes(index["id"]).numpy(), self.tested.numpy())

    def kept(self, index: Columns) -> Mask:
        """Which rows of any index are sealed, by their id or group, (n,)."""
        known = self.sealed.numpy()
        if not len(known):
            return np.zeros(len(index), dtype=bool)
        return np.isin(hashes(index["id"]).numpy(), known) | np.isin(hashes(index["group_id"]).numpy(), known)

    def seen(self, index: Columns, radius_arcsec: float = 1.0) -> Mask:
        """Which rows of another index share an id, a group or a position with training."""
        known = np.isin(hashes(index["id"]).numpy(), self.ids.numpy())
        known |= np.isin(hashes(index["group_id"]).numpy(), self.groups.numpy())
        if len(self.positions) and {"ra", "dec"} <= set(index.columns):
            known |= near(index, self.positions.numpy(), radius_arcsec)
        return known


def near(index: Columns, positions: Array, radius_arcsec: float) -> Array:
    """Which rows lie within ``radius_arcsec`` of any position (degrees)."""
    sky = index[["ra", "dec"]].to_numpy(dtype=np.float64, na_value=np.nan)
    out: Array = nearest(sky, positions, radius_arcsec)[0] >= 0
    return out


def hashes(values: Iterable[Any]) -> torch.Tensor:
    """64-bit hashes of texts, as int64."""
    rest, parts = iter(values), []
    while block := [hashlib.blake2b(str(value).encode(), digest_size=8).digest() for value in islice(rest, BLOCK)]:
        parts.append(np.frombuffer(b"".join(block), dtype=np.int64))
    return torch.from_numpy(np.concatenate([np.zeros(0, dtype=np.int64), *parts]))


@dataclass(frozen=True)
class ChannelRecord:
    """What the samples of a model must offer.

    Args:
        names: of the channels.
        sky: ``subtracted`` or ``included``, of images; None where the pipeline does not say.
    """

    names: list[str] = field(default_factory=list)
    sky: str | None = None


@dataclass(frozen=True)
class Record:
    """The entry ``astrid`` of a checkpoint.

    Args:
        domain: which pipeline made the samples (``alerts``, ``differencing``, ``ramps``, ...).
        config: the nodes that prediction needs: preprocessing, channels, datamodule, model, evaluation.
        channels: names of the channels that the samples must offer, and whether their sky was taken away.
        statistics: normalisation fitted on the training fold.
        calibration: what the evaluation's ``fit`` returned: {kind, parameters}, threshold, its rule; {} if none.
        calibrated: whether ``probability`` may be given.
        dataset_fingerprint: of the dataset it was trained on; None for imported weights.
        digest: of the training and validation folds; None for imported weights.
        classes: class names or the taxonomy, where the task has them.
        versions: package -> version at training time.
        note: where the weights come from, in words.
        known_as: names under which surveys publish this very score (``drb``); labels made from it are refused.
        validity: where the model is valid, see :func:`astrid_ml.validity.domain.fit_domain`; of schemas 2 and 3 no more
            than column -> the values that training saw; None where nobody knows.
        prevalence: set -> share of positives, of a binary task; None for others and for imported weights.
        sets: set -> number of samples, with the split's name and hash; None for imported weights.
        stages: the steps that led here, each with its name, status and digests.
        members: of a checkpoint that holds the networks of several folds as one: of each the ``statistics`` of its own
            training set, and ``tested``, the hashes of the samples that it alone never saw. ``calibration`` holds the
            calibration of each under ``members``. None where there is one network.
        baselines: what the network is compared with: of a binary task see
            :class:`astrid_ml.evaluation.baselines.fit.Baselines`, of a tree of classes
            :class:`astrid_ml.evaluation.tree.baseline.TreeBaseline`; None where nothing was fitted.
    """

    domain: str
    config: dict[str, Any]
    channels: ChannelRecord = field(default_factory=ChannelRecord)
    statistics: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    calibrated: bool = False
    dataset_fingerprint: str | None = None
    digest: TrainingDigest | None = None
    classes: list[str] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    note: str = ""
    known_as: list[str] = field(default_factory=list)
    validity: dict[str, Any] | None = None
    prevalence: dict[str, float] | None = None
    sets: dict[str, Any] | None = None
    stages: list[dict[str, Any]] = field(default_factory=list)
    members: list[dict[str, Any]] | None = None
    baselines: dict[str, Any] | None = None

    @property
    def count(self) -> int:
        """How many networks answer."""
        return len(self.members) if self.members else 1

    def member(self, number: int) -> Record:
        """The record of one of several members, as its fold's own checkpoint has it in what a prediction needs."""
        if self.members is None:
            raise ValueError("a checkpoint of one network has no members")
        own, calibration = self.members[number], dict(self.calibration["members"][number])
        return replace(
            self,
            statistics=own["statistics"],
            calibration=calibration,
            calibrated=bool(calibration.get("calibrated", False)),
            digest=None if self.digest is None else replace(self.digest, tested=own["tested"]),
            members=None,
            baselines=own.get("baselines"),
            validity=own.get("validity"),
        )

    def to_plain(self, weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Plain containers and tensors, which load with ``weights_only=True``; classes under permanent names.

        Args:
            weights: of the same checkpoint; their digest stands in the record.
        """
        entry = {"schema": CHECKPOINT, **asdict(self), "config": with_trees_inside(lasting(self.config))}
        digests = {"weights": digest_of(dict(weights)), "record": digest_of(entry)}
        whole = {**entry, "digests": digests}
        checked(whole, "the record of this run")
        return whole

    @classmethod
    def from_plain(cls, entry: Any, weights: Mapping[str, torch.Tensor] | None, name: str = "checkpoint") -> Record:
        """The inverse of :meth:`to_plain`; earlier schemas are read too.

        Args:
            entry: as read from the file.
            weights: of the same file, to be compared with their digest; None leaves that out.
            name: of the file, for messages.

        Raises:
            UserError: the entry is not as a checkpoint's is, or it or the weights are not as they were written.
        """
        values = checked(entry, name)
        digests = values.pop("digests")
        if digests is not None:
            check_digests(digests, entry, weights, name)
        refuse_trees_outside(values["config"], name)
        if values["digest"] is not None:
            values["digest"] = TrainingDigest(**values["digest"])
        values["channels"] = ChannelRecord(**values["channels"])
        values["config"] = without_gone(current(values["config"], registry()))
        return cls(**values)


def check_digests(
    digests: dict[str, Any], entry: dict[str, Any], weights: Mapping[str, torch.Tensor] | None, name: str
) -> None:
    """Refuse a record or weights that are not as they were written."""
    found = {"record": digest_of({key: value for key, value in entry.items() if key != "digests"})}
    if weights is not None:
        found["weights"] = digest_of(dict(weights))
    for part, value in found.items():
        if digests.get(part) != value:
            raise UserError(
                f"the {part} as the run wrote it", f"another digest in {name}", "take the file from its source again"
            )
