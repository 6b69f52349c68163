"""The Braai networks: VGG6 as published, and a wider one; both take any channels, any stamp size, and features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from astrid_ml.errors import UserError
from astrid_ml.types import Count, Decay, InUnits, Whole


def too_small(network: str, size: int, least: int) -> UserError:
    """What to say of stamps of which the poolings leave nothing."""
    wanted = f"stamps of at least {least} px for {network}, whose poolings leave nothing of smaller ones"
    return UserError(wanted, f"{size} px", f"set channels.size={least} or more")


class BraaiVGG6(nn.Module):
    """VGG6 of Duev et al. 2019 (arXiv:1907.11259, figure 5): 312,081 parameters at its defaults.

    Two 3 x 3 convolutions of 16, max-pool 2, two of 32, max-pool 4, Dense(256), one logit. No padding; the flattened
    order is (H, W, C), as in Keras, so that published weights can be loaded as they are.

    Args:
        in_channels: channels of a stamp.
        size: pixels on a side.
        n_features: tabular features fused before the head; 0 for none.
        dropout: after each pooling, and twice that before the last layer.
    """

    def __init__(
        self,
        in_channels: Count = 3,
        size: Annotated[Count, InUnits("px")] = 63,
        n_features: Whole = 0,
        dropout: Decay = 0.25,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3)
        self.conv2 = nn.Conv2d(16, 16, 3)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.conv4 = nn.Conv2d(32, 32, 3)
        self.drop, self.drop_head = nn.Dropout(dropout), nn.Dropout(2 * dropout)
        side = ((size - 4) // 2 - 4) // 4
        if side < 1:
            raise too_small("BraaiVGG6", size, 20)
        self.fc1 = nn.Linear(32 * side * side + n_features, 256)
        self.fc2 = nn.Linear(256, 1)

    def forward(
        self, images: Float[Tensor, "B C H W"], features: Float[Tensor, "B F"] | None = None
    ) -> Float[Tensor, " B"]:
        """Logits, (B,)."""
        return self.answer(self.embed(images, features))

    def answer(self, known: Float[Tensor, "B 256"]) -> Float[Tensor, " B"]:
        """Logits from what the last layer sees."""
        out: Tensor = self.fc2(self.drop_head(known)).squeeze(-1)
        return out

    def embed(
        self, images: Float[Tensor, "B C H W"], features: Float[Tensor, "B F"] | None = None
    ) -> Float[Tensor, "B 256"]:
        """What the last layer sees."""
        # ReLU and max-pooling commute exactly; pooled first, ReLU has 4 and 16 times fewer pixels to do.
        x = self.conv2(torch.relu(self.conv1(images)))
        x = self.drop(torch.relu(torch.max_pool2d(x, 2)))
        x = self.conv4(torch.relu(self.conv3(x)))
        x = self.drop(torch.relu(torch.max_pool2d(x, 4)))  # (B, 32, 6, 6)
        x = x.permute(0, 2, 3, 1).flatten(1)  # (B, 1152), rows, columns, channels
        if features is not None:
            x = torch.cat([x, features.to(x.dtype)], dim=1)
        return torch.relu(self.fc1(x))


class BraaiWide(nn.Module):
    """The wider network: 3 x 3 convolutions of 32, 64, 128, each padded and max-pooled by 2, Dense(256), Dropout(0.5).

    Args:
        in_channels: channels of a stamp.
        size: pixels on a side.
        n_features: tabular features fused before the head; 0 for none.
        widths: of the convolutions.
        hidden: of the dense layer.
        dropout: before the last layer.
        batch_norm: normalise after each convolution, so that ``adapt=test_time_bn`` has something to fit.
    """

    def __init__(
        self,
        in_channels: Count = 3,
        size: Annotated[Count, InUnits("px")] = 63,
        n_features: Whole = 0,
        widths: Sequence[Count] = (32, 64, 128),
        hidden: Count = 256,
        dropout: Decay = 0.5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, side = in_channels, size
        for width in widths:
            # ReLU and max-pooling commute exactly; pooled first, ReLU has a quarter of the pixels to do.
            norm = [nn.BatchNorm2d(width)] if batch_norm else []
            layers += [nn.Conv2d(before, width, 3, padding=1), *norm, nn.MaxPool2d(2), nn.ReLU()]
            before, side = width, side // 2
        if side < 1:
            raise too_small("BraaiWide", size, 2 ** len(widths))
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Linear(before * side * side + n_features, hidden)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, 1)

    def forward(
        self, images: Float[Tensor, "B C H W"], features: Float[Tensor, "B F"] | None = None
    ) -> Float[Tensor, " B"]:
        """Logits, (B,)."""
        return self.answer(self.embed(images, features))

    def answer(self, known: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Logits from what the last layer sees."""
        out: Tensor = self.head(self.drop(known)).squeeze(-1)
        return out

    def embed(
        self, images: Float[Tensor, "B C H W"], features: Float[Tensor, "B F"] | None = None
    ) -> Float[Tensor, "B D"]:
        """What the last layer sees."""
        x = self.convolutions(images).flatten(1)  # (B, 128 * 7 * 7)
        if features is not None:
            x = torch.cat([x, features.to(x.dtype)], dim=1)
        return torch.relu(self.dense(x))
