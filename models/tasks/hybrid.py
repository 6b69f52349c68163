"""A network on epochs and features beside boosted trees on the features, as one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from astrid_ml.models.lightcurves.boosting import Boosting
from astrid_ml.models.lightcurves.trees import CurveTrees
from astrid_ml.models.losses.hierarchy import sibling_log_softmax
from astrid_ml.models.tasks.hierarchy import HierarchyTask, asked
from astrid_ml.models.tasks.task import Batch
from astrid_ml.types import NonNegative

SHARES = 21  # of the network in the answer, from 0 to 1, that validation chooses among


class HybridTask(HierarchyTask):
    """In each family of siblings the weighted mean of the log-probabilities of network and trees, normalised again.

    The network is trained alone. Then trees are fitted on the same fold, and the share of the network is the one whose
    answers to validation are the most likely: small samples lean on the trees, large ones on the network.

    Args:
        network: called as that of :class:`astrid_ml.models.tasks.hierarchy.HierarchyTask`.
        taxonomy: a shipped tree or a YAML file.
        trees: beside it, without trees yet.
        boosting: how they are fitted.
        alpha: decay of the loss with depth.
        weighted: inverse-frequency weights.
        optimizer: parameters -> optimizer.
        scheduler: optimizer -> scheduler or None.
    """

    share: Tensor
    predict_members = None  # type: ignore[assignment]  # trees of several folds have other sizes

    def __init__(
        self,
        network: nn.Module,
        taxonomy: str,
        trees: CurveTrees,
        boosting: Boosting,
        alpha: NonNegative = 0.5,
        weighted: bool = True,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
    ) -> None:
        super().__init__(network, taxonomy, alpha, weighted, optimizer, scheduler)
        self.trees, self.boosting = trees, boosting
        self.register_buffer("share", torch.ones(()))

    def settle(self, datamodule: Any) -> None:
        """See :class:`astrid_ml.contracts.programs.Settles`: fit the trees, choose the share.

        Raises:
            UserError: training objects of fewer than two leaves.
        """
        self.cpu().eval()
        self.trees.take(self.boosting.fit(datamodule, self.taxonomy))
        self.share.fill_(self._chosen(datamodule))

    def conditionals(self, batch: Batch) -> Tensor:
        """See :class:`astrid_ml.models.tasks.hierarchy.HierarchyTask`; of both, where there are trees."""
        own = super().conditionals(batch)
        share = float(self.share)
        return own if share == 1 else self._pooled(own, self._of_trees(batch), share)

    def _of_trees(self, batch: Batch) -> Tensor:
        return self.only_present(self.trees(*asked(batch)).flatten(0, 1))

    def _pooled(self, own: Tensor, theirs: Tensor, share: float) -> Tensor:
        """What neither knows stays impossible: minus infinity times 0 is none."""
        lost = torch.isinf(own) | torch.isinf(theirs)
        mean = share * own.masked_fill(lost, 0.0) + (1 - share) * theirs.masked_fill(lost, 0.0)
        return sibling_log_softmax(mean.masked_fill(lost, -torch.inf), self.taxonomy.sibling_groups)

    def _chosen(self, datamodule: Any) -> float:
        """The share of the network with the least mean -log p(true node) over validation's questions."""
        path = self.loss.path.double()
        total, shares = np.zeros(SHARES), np.linspace(0, 1, SHARES)
        with torch.inference_mode():
            for _, batch in datamodule.batches(datamodule.source, datamodule.rows["val"]):
                truth = path[batch["y"].repeat_interleave(batch["queries"].shape[1])]
                own, theirs = HierarchyTask.conditionals(self, batch), self._of_trees(batch)
                for number, share in enumerate(shares):
                    log_p = self._pooled(own, theirs, float(share)).clamp(min=np.log(1e-7))
                    total[number] -= float((truth * log_p).sum())
        return float(shares[int(total.argmin())])
