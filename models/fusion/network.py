"""A convolutional trunk and a tabular branch before one head; either may be absent."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from astrid_ml.contracts.scoring import Embeds
from astrid_ml.errors import UserError
from astrid_ml.types import Count, Decay, Whole

NO_FEATURES = "name columns (datamodule.features=[...]), or set model.network.n_features=0"
POOLINGS = ("none", "mean", "max")


class FusionNetwork(nn.Module):
    """One logit from the trunk's embedding of the images beside the tabular branch's of the features.

    With ``pooling`` the trunk sees the 8 symmetries of the square and the answer does not depend on how the sky was
    turned or mirrored (group pooling, Dieleman et al. 2015, arXiv:1503.07077), at 8 times the cost.

    Args:
        trunk: embeds images; its own last layer is not used. None: the features alone.
        n_features: values and flags of the tabular branch: 2 for each of ``datamodule.features``, 2 F + 1 for each
            block of F columns of ``datamodule.context``. 0: the images alone.
        pooling: over the 8 views: ``none`` (one view, as it is), ``mean`` or ``max``.
        hidden: width of the tabular branch's two layers.
        dropout: before the last layer.
    """

    def __init__(
        self,
        trunk: nn.Module | None = None,
        n_features: Whole = 16,
        pooling: str = "none",
        hidden: Count = 64,
        dropout: Decay = 0.3,
    ) -> None:
        super().__init__()
        if trunk is None and not n_features:
            raise UserError("a trunk or features", "neither", "choose model=fusion, fusion_pixels or fusion_features")
        if pooling not in POOLINGS:
            raise UserError(f"model.network.pooling of {', '.join(POOLINGS)}", pooling, "choose one of them")
        self.trunk, self.n_features, self.pooling = trunk, n_features, pooling
        self.tabular = tabular_branch(n_features, hidden) if n_features else None
        self.embedding_width = 0 if trunk is None else take_last_layer(trunk)
        width = self.embedding_width + (hidden if n_features else 0)
        self.drop, self.head = nn.Dropout(dropout), nn.Linear(width, 1)

    def forward(
        self, images: Float[Tensor, "B C H W"], features: Float[Tensor, "B F"] | None = None
    ) -> Float[Tensor, " B"]:
        """Logits, (B,).

        Raises:
            UserError: the features are missing or of another number than the network's.
        """
        parts: list[Tensor] = []
        if self.trunk is not None:
            parts.append(self._embedded(images))
        if self.tabular is not None:
            found = 0 if features is None else features.shape[1]
            if features is None or found != self.n_features:
                raise UserError(
                    f"{self.n_features} features (values and flags)",
                    str(found),
                    f"set model.network.n_features={found}, as the samples have them" if found else NO_FEATURES,
                )
            parts.append(self.tabular(features))
        joined = torch.cat([part.to(parts[-1].dtype) for part in parts], dim=1)
        out: Tensor = self.head(self.drop(joined)).squeeze(-1)
        return out

    def _embedded(self, images: Tensor) -> Tensor:
        if self.pooling == "none":
            return self._trunk().embed(images)
        views = torch.stack([self._trunk().embed(view) for view in dihedral_views(images)])  # (8, B, D)
        return views.mean(dim=0) if self.pooling == "mean" else views.amax(dim=0)

    def _trunk(self) -> Embeds:
        assert self.trunk is not None
        found: Embeds = self.trunk  # type: ignore[assignment]
        return found


def tabular_branch(n_features: int, hidden: int) -> nn.Sequential:
    """(B, F) -> (B, hidden)."""
    return nn.Sequential(
        nn.Linear(n_features, hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, hidden), nn.ReLU()
    )


def take_last_layer(trunk: nn.Module) -> int:
    """Remove a trunk's own last layer and return the width of its embedding.

    Left in place, weights that nothing uses would stand in checkpoints and wait for gradients in distributed training.

    Raises:
        UserError: it has none, so it is no trunk.
    """
    layers = [(name, layer) for name, layer in trunk.named_children() if isinstance(layer, nn.Linear)]
    last = layers[-1] if layers and isinstance(trunk, Embeds) else None
    if last is None or last[1].out_features != 1:
        raise UserError(
            "a trunk with embed() and a last layer of one logit",
            type(trunk).__name__,
            "choose a network of astrid_ml.models.braai for model.network.trunk",
        )
    width = last[1].in_features
    setattr(trunk, last[0], nn.Identity())
    return width


def dihedral_views(images: Float[Tensor, "B C H W"]) -> list[Tensor]:
    """The 8 symmetries of the square: four quarter turns, and their mirror images."""
    turned = [torch.rot90(images, turns, dims=(-2, -1)) for turns in range(4)]
    return [*turned, *(view.flip(-1) for view in turned)]
