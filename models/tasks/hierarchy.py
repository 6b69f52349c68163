"""The hierarchical task: node logits in, node probabilities out, watched by macro-AUCPR over the leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from astrid_ml.errors import UserError
from astrid_ml.evaluation.tree.calibration import joined_nodes
from astrid_ml.evaluation.tree.metrics import macro_average_precision
from astrid_ml.models.losses.hierarchy import WHXE, sibling_log_softmax
from astrid_ml.models.tasks.task import Batch, Task
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import NonNegative


class HierarchyTask(Task):
    """Train a network that returns (B, Q, n_nodes) logits: Q questions about each object, all trained at once.

    Args:
        network: called with ``values`` (N, F), ``lengths`` (B,), ``static`` (B, S), ``queries`` and ``elapsed`` (B, Q),
            and ``features`` (B, Q, 2 F) where the datamodule computes them.
        taxonomy: a shipped tree or a YAML file.
        alpha: decay of the loss with depth.
        weighted: inverse-frequency weights.
        optimizer: parameters -> optimizer.
        scheduler: optimizer -> scheduler or None.
    """

    purpose: ClassVar[str] = "hierarchy"
    monitor: ClassVar[str] = "val/leaf/macro_aucpr"
    monitor_mode: ClassVar[str] = "max"

    def __init__(
        self,
        network: nn.Module,
        taxonomy: str,
        alpha: NonNegative = 0.5,
        weighted: bool = True,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
    ) -> None:
        self._settings = (taxonomy, alpha, weighted)
        super().__init__(network, optimizer, scheduler)

    def configure_losses(self) -> None:
        taxonomy, alpha, weighted = self._settings
        self.taxonomy = load_taxonomy(taxonomy)
        self.loss = WHXE(self.taxonomy, alpha, weighted)

    def configure_metrics(self) -> None:
        self._seen: list[tuple[Tensor, Tensor]] = []

    def prepare_for(self, datamodule: Any) -> None:
        """Class weights from the training objects."""
        self.loss.set_counts(torch.from_numpy(datamodule.nodes_of("train")))

    def output_shape(self, batch: Batch) -> tuple[int, ...]:
        """A logit for each node of the taxonomy and each question, (B, Q, n_nodes)."""
        return (*batch["queries"].shape, len(self.taxonomy.nodes))

    def logits(self, batch: Batch) -> Tensor:
        """Node logits of every question, (B Q, n_nodes), the questions of an object together."""
        out: Tensor = self.network(*asked(batch))
        return out.flatten(0, 1)

    def embed_batch(self, batch: Batch) -> Tensor | None:
        """See :class:`astrid_ml.contracts.scoring.EmbedsBatches`: each object as it is seen last."""
        embed: Any = getattr(self.network, "embed_curves", None)
        out: Tensor | None = None if embed is None else embed(*asked(batch))
        return out

    def embed_questions(self, batch: Batch) -> Tensor | None:
        """See :class:`astrid_ml.contracts.told.EmbedsQuestions`."""
        embed: Any = getattr(self.network, "embed_questions", None)
        if embed is None:
            return None
        out: Tensor = embed(*asked(batch))
        return out[:, : batch["days"].shape[1]].flatten(0, 1)

    def compute_loss(self, batch: Batch) -> Tensor:
        refuse_hidden(batch)
        loss: Tensor = self.loss(self.logits(batch), batch["y"].repeat_interleave(batch["queries"].shape[1]))
        return loss

    def node_probabilities(self, batch: Batch) -> Tensor:
        """(B Q, n_nodes) float64, children summing to their parent.

        The logarithm of each node's weight is taken off its logit: a weighted loss makes the network answer for a
        world in which all siblings are equally frequent (Elkan 2001). A node without a training object has probability
        0: nothing is known of it. Where no sibling has one, neither has their parent, and all of them have 0.
        """
        out = self.conditionals(batch).clone()
        parent = torch.from_numpy(self.taxonomy.parent).to(out.device)
        for number in range(1, out.shape[1]):
            out[:, number] += out[:, parent[number]]
        return out.exp()

    def conditionals(self, batch: Batch) -> Tensor:
        """(B Q, n_nodes) float64: logarithms of each node's probability, given its parent."""
        prior = torch.where(self.loss.absent, 0.0, self.loss.weights.double().clamp(min=1e-12).log())
        return self.only_present(self.logits(batch).double() - prior)

    def only_present(self, logits: Tensor) -> Tensor:
        """A log-softmax over siblings, in which those without a training object take no part."""
        absent = self.loss.absent
        shifted = logits.masked_fill(absent & ~self._alone(absent), -torch.inf)
        return sibling_log_softmax(shifted, self.taxonomy.sibling_groups)

    def _alone(self, absent: Tensor) -> Tensor:
        """(n_nodes,) nodes whose siblings are absent with them: a softmax over none of them has no value."""
        groups = self.taxonomy.sibling_groups
        family = np.arange(len(absent)) + len(groups)
        for number, group in enumerate(groups):
            family[list(group)] = number
        of = torch.from_numpy(family).to(absent.device)
        there = torch.zeros(len(groups) + len(absent), dtype=torch.float64, device=absent.device)
        out: Tensor = absent & (there.index_add(0, of, (~absent).double())[of] == 0)
        return out

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """``days``, ``seen_days`` (of the last epoch that a question sees) and ``score_<node>`` for every node."""
        p = self.node_probabilities(batch)
        columns = {f"score_{name}": p[:, number] for number, name in enumerate(self.taxonomy.nodes)}
        seen = batch.get("seen_days", batch["days"])
        return {"days": batch["days"].flatten(), "seen_days": seen.flatten(), **columns}

    def join_tables(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """In each family of siblings the mean of the members' log-probabilities, see ``joined_nodes``."""
        names = [f"score_{name}" for name in self.taxonomy.nodes]
        joined = joined_nodes(self.taxonomy, (table[names].to_numpy(np.float64) for table in tables))
        return tables[0].assign(**dict(zip(names, joined.T, strict=True))).astype(tables[0].dtypes)

    def update_metrics(self, batch: Batch) -> None:
        labels = batch["y"].repeat_interleave(batch["queries"].shape[1])
        self._seen.append((self.node_probabilities(batch).detach().cpu(), labels.cpu()))

    def compute_metrics(self) -> dict[str, Tensor | float]:
        seen = gathered(self._seen)
        self._seen.clear()
        p = torch.cat([part[0] for part in seen]).numpy()
        y = torch.cat([part[1] for part in seen]).numpy()
        leaves = self.taxonomy.level_nodes(self.taxonomy.n_levels)
        leaves = leaves[~self.loss.absent.cpu().numpy()[leaves]]  # of the others training could learn nothing
        truth = self.taxonomy.at_level(y, self.taxonomy.n_levels)
        known = np.isin(truth, leaves)
        value = macro_average_precision(p[known][:, leaves], np.searchsorted(leaves, truth[known]))
        return {self.monitor: value if value is not None else 0.0}


def asked(batch: Batch) -> list[Tensor]:
    """What a network of curves is called with; features last, where the batch has them."""
    names = ("values", "lengths", "static", "queries", "elapsed", "features")
    return [batch[name] for name in names if name in batch]


def refuse_hidden(batch: Batch) -> None:
    """Refuse batches of which epochs are hidden: among their curves are some without a class.

    Raises:
        UserError: they are.
    """
    if "targets" in batch:
        got = "datamodule.masking, which hides some"
        raise UserError("curves with all their epochs for a model that tells classes", got, "choose datamodule=curves")


def gathered(seen: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
    """What all processes have seen, in the order of their ranks: the same in each; one process has only its own."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return list(seen)
    parts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(parts, seen)
    return [pair for part in parts for pair in part]
