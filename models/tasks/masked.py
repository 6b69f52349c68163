"""Learning from curves without classes: epochs are hidden, and the network is asked for their fluxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from astrid_ml.checkpoint.begin import layers_of
from astrid_ml.errors import UserError
from astrid_ml.models.lightcurves.decoding import EpochDecoder
from astrid_ml.models.tasks.hierarchy import asked
from astrid_ml.models.tasks.task import Batch, Task
from astrid_ml.types import Count, Positive


class MaskedTask(Task):
    """Train a network of light curves on hidden epochs; its weights begin another training with ``init=``.

    At each question the network knows what the visible epochs up to it say; a small decoder beside it turns that into
    a mean and a spread of every hidden epoch, before the question (to be filled in) or after it (to be foreseen). The
    loss is the Gaussian -log p of the measured flux, in units of its error: in asinh(flux / sqrt(softening^2 +
    error^2)), which is linear where noise rules and logarithmic where the source does. What a perfect network that
    leaves nothing but the noise would have is 0.5.

    The layer that answers with classes takes no part: it stays zero, and so it begins in the training that follows.

    Args:
        network: with ``embed_questions``, as those of light curves have.
        softening: FLUXCAL at which asinh turns from linear to logarithmic.
        width: of the decoder.
        optimizer: parameters -> optimizer.
        scheduler: optimizer -> scheduler or None.
    """

    purpose: ClassVar[str] = "masked"

    def __init__(
        self,
        network: nn.Module,
        softening: Positive = 10.0,
        width: Count = 64,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
        scheduler: Callable[[Optimizer], Any] | None = None,
    ) -> None:
        super().__init__(network, optimizer, scheduler)
        if not hasattr(network, "embed_questions"):
            fix = "choose model=lightcurve_masked, or give that class embed_questions"
            raise UserError("a network that tells what it knows at each question", type(network).__name__, fix)
        last = layers_of(network)[-1][1]
        for weight in last.parameters():
            nn.init.zeros_(weight)
            weight.requires_grad_(False)
        self.softening = softening
        self.decoder = EpochDecoder(next(last.parameters()).shape[1], width)

    def weights_to_train(self) -> Iterator[nn.Parameter]:
        """Those of the network and of the decoder."""
        yield from super().weights_to_train()
        yield from self.decoder.parameters()

    def residuals(self, batch: Batch) -> dict[str, Tensor]:
        """Of each hidden epoch at each question, all (B, Q, T).

        Returns:
            ``nll``, in units of the error; ``off``, the measured less the foreseen asinh flux; ``flux``, the measured
            asinh flux; ``known``, 0 where nothing is asked.
        """
        network: Any = self.network
        if "targets" not in batch:
            got = "a datamodule without masking"
            raise UserError("curves of which epochs are hidden", got, "choose datamodule=curves_masked")
        targets = batch["targets"]
        mean, spread = self.decoder(network.embed_questions(*asked(batch)), batch["elapsed"], targets)
        error = targets[..., 2][:, None]
        scale = torch.sqrt(self.softening**2 + error**2)
        flux = torch.asinh(targets[..., 1][:, None] / scale)
        unit = (error / scale / torch.cosh(flux.clamp(-15, 15))) ** 2
        # The noise is that of the mean: a flux that noise raised must not look more precise than one that it lowered.
        noise = (error / scale / torch.cosh(mean.detach().clamp(-15, 15))) ** 2
        variance = noise + spread**2
        off = flux - mean
        nll = 0.5 * (off**2 / variance + (variance / unit).log())
        known = targets[..., 4][:, None].expand_as(nll)
        return {"nll": nll, "off": off, "flux": flux.expand_as(nll), "known": known}

    def compute_loss(self, batch: Batch) -> Tensor:
        found = self.residuals(batch)
        return (found["nll"] * found["known"]).sum() / found["known"].sum().clamp(min=1.0)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Of each window ``days``, ``seen_days``, ``hidden`` (epochs) and means over them: NaN where none is hidden.

        ``nll``, ``off_square``, and ``flux_mean`` and ``flux_square`` of what was measured, by which to compare.
        """
        windows = batch["days"].shape[1]
        found = {name: value[:, :windows] for name, value in self.residuals(batch).items()}
        hidden = found["known"].sum(dim=2)

        def mean(values: Tensor) -> Tensor:
            return ((values * found["known"]).sum(dim=2) / hidden).flatten()  # 0 / 0 where none is hidden

        return {
            "days": batch["days"].flatten(),
            "seen_days": batch["seen_days"].flatten(),
            "hidden": hidden.flatten(),
            "nll": mean(found["nll"]),
            "off_square": mean(found["off"] ** 2),
            "flux_mean": mean(found["flux"]),
            "flux_square": mean(found["flux"] ** 2),
        }
