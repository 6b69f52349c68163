"""The order of a training: which samples stand in which batch follows from the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from astrid_ml.datamodules.draws import mixed
from astrid_ml.interrupts import hear_signals, starting_children
from astrid_ml.types import Ints


class Pick(NamedTuple):
    """A sample of an epoch.

    Args:
        epoch: from 0.
        place: among all samples of the training fold.
    """

    epoch: int
    place: int


class EpochOrder(DistributedSampler[Pick]):
    """The samples of this process in the order of the epoch, from a batch on where a stopped epoch is carried on.

    It is a ``DistributedSampler`` so that Lightning tells it the epoch and leaves it in place. Every process gets as
    many samples: the first of an epoch's order stand in twice where they do not divide.

    Args:
        samples: of the training fold.
        seed: of the training.
        rank: this process.
        processes: how many train together.

    Example:
        >>> order = EpochOrder(range(5), seed=1)
        >>> first = [pick.place for pick in order]
        >>> order.begin(epoch=0, skip=2)
        >>> [pick.place for pick in order] == first[2:]
        True
    """

    def __init__(self, samples: Any, seed: int, rank: int = 0, processes: int = 1) -> None:
        super().__init__(samples, num_replicas=processes, rank=rank, shuffle=True, seed=seed)
        self._begin = (0, 0)

    def begin(self, epoch: int, skip: int) -> None:
        """Start in an epoch, after some of its samples; later epochs are whole."""
        self._begin = (epoch, skip)
        self.set_epoch(epoch)

    def places(self, epoch: int) -> Ints:
        """All of an epoch that is this process's, in order."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))  # type: ignore[arg-type]
        whole: Ints = np.resize(order, self.total_size) if len(order) else order
        return whole[self.rank : self.total_size : self.num_replicas]

    def __iter__(self) -> Iterator[Pick]:
        epoch, skip = self._begin
        places = self.places(self.epoch)
        for place in places[skip if epoch == self.epoch else 0 :]:
            yield Pick(self.epoch, int(place))


class TrainLoader(DataLoader[Any]):
    """A loader whose workers leave Ctrl-C to the main process: only that one tells of it.

    Args:
        dataset: fetched batch by batch.
        order: of its samples.
        other: arguments of ``DataLoader``.
    """

    def __init__(self, dataset: Dataset[Any], order: EpochOrder, **other: Any) -> None:
        other.setdefault("worker_init_fn", _obey_the_main_process)
        super().__init__(dataset, sampler=order, **other)

    def __iter__(self) -> Any:
        if not self.num_workers:
            return super().__iter__()
        with starting_children():
            return super().__iter__()


def _obey_the_main_process(worker: int) -> None:
    # What torch has set for SIGTERM ends a worker whose main process says so.
    hear_signals()


def step_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """What the global generators are seeded with at a step."""
    return int(mixed(seed, epoch, batch + 1, rank)) >> 1
