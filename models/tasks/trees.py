"""The hierarchical task of boosted trees on features of curves: fitted at once, kept as arrays, judged as a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from torch.nn import Parameter
from torch.optim import Optimizer

from astrid_ml.errors import UserError
from astrid_ml.models.lightcurves.boosting import Boosting
from astrid_ml.models.lightcurves.trees import CurveTrees
from astrid_ml.models.tasks.hierarchy import HierarchyTask, refuse_hidden
from astrid_ml.models.tasks.task import Batch


class TreesTask(HierarchyTask):
    """Fits trees over the leaves on the training fold; there is nothing else to train.

    Args:
        network: a :class:`astrid_ml.models.lightcurves.trees.CurveTrees`.
        taxonomy: a shipped tree or a YAML file.
        boosting: how they are fitted.
        optimizer: not used; what each task is given.
        scheduler: not used.
    """

    apart: ClassVar[str] = "trees of several folds have other sizes"
    predict_members = None  # type: ignore[assignment]

    def __init__(
        self,
        network: CurveTrees,
        taxonomy: str,
        boosting: Boosting,
        optimizer: Callable[[Iterable[Parameter]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
    ) -> None:
        super().__init__(network, taxonomy, 0.0, False)
        self.boosting = boosting

    def fit_fold(self, datamodule: Any) -> None:
        """See :class:`astrid_ml.contracts.programs.FitsItself`.

        Raises:
            UserError: training objects of fewer than two leaves.
        """
        assert isinstance(self.network, CurveTrees)
        self.network.take(self.boosting.fit(datamodule, self.taxonomy))

    def try_on(self, batch: Batch) -> None:
        """See :class:`astrid_ml.contracts.programs.FitsItself`: without a fit there is nothing to be tried.

        Raises:
            UserError: batches without features, or with hidden epochs.
        """
        refuse_hidden(batch)
        if "features" not in batch:
            fix = "choose model=lightcurve_trees, which sets both"
            raise UserError("batches with features, which trees look at", "no datamodule.curve_features", fix)
