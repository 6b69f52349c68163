"""Two branches and one head: each alone, both together, and answers that do not turn with the sky."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from astrid_ml.datamodules.augment import dihedral
from astrid_ml.errors import UserError
from astrid_ml.models.braai.network import BraaiVGG6, BraaiWide
from astrid_ml.models.fusion.network import FusionNetwork, dihedral_views


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same weights and images each time."""
    torch.manual_seed(5)


def trunk() -> BraaiVGG6:
    return BraaiVGG6(4, 64)


@pytest.mark.parametrize("pooling", ["none", "mean", "max"])
@pytest.mark.parametrize(("image", "features"), [(True, 6), (True, 0), (False, 6)])
def test_each_branch_alone_and_both_learn(pooling: str, image: bool, features: int) -> None:
    network = FusionNetwork(trunk() if image else None, features, pooling)
    images, table = torch.randn(3, 4, 64, 64), torch.randn(3, 6)
    out = network(images, table)
    assert out.shape == (3,)
    out.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    network.eval()
    moved = network(images + 1, table) - network(images, table)
    assert bool((moved != 0).all()) is image
    other = network(images, table + 1) - network(images, table)
    assert bool((other != 0).all()) is bool(features)


@pytest.mark.parametrize("kind", [BraaiVGG6, BraaiWide])
def test_without_a_tabular_branch_it_is_the_trunk_with_a_new_head(kind: type[BraaiVGG6] | type[BraaiWide]) -> None:
    network = FusionNetwork(kind(4, 64), 0).eval()
    images = torch.randn(2, 4, 64, 64)
    assert isinstance(network.trunk, kind)
    assert network.embedding_width == 256
    torch.testing.assert_close(network(images), network.head(network.trunk.embed(images)).squeeze(-1))
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in kind(4, 64).parameters())


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_pooled_answer_is_the_same_for_all_eight_symmetries(pooling: str) -> None:
    network = FusionNetwork(trunk(), 4, pooling).eval()
    images, table = torch.randn(3, 4, 64, 64), torch.randn(3, 4)
    with torch.no_grad():
        expected = network(images, table)
        for code in range(1, 8):
            turned = network(dihedral(images, code), table)
            torch.testing.assert_close(turned, expected, atol=1e-5, rtol=0)
        plain = FusionNetwork(trunk(), 4).eval()
        assert (plain(dihedral(images, 1), table) - plain(images, table)).abs().max() > 1e-4


def test_the_views_are_the_eight_symmetries() -> None:
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    views = {tuple(view.flatten().tolist()) for view in dihedral_views(image)}
    assert views == {tuple(dihedral(image, code).flatten().tolist()) for code in range(8)}
    assert len(views) == 8


def test_what_does_not_fit_is_said() -> None:
    images = torch.randn(2, 4, 64, 64)
    with pytest.raises(UserError, match="n_features"):
        FusionNetwork(trunk(), 4)(images, torch.randn(2, 6))
    with pytest.raises(UserError, match="n_features"):
        FusionNetwork(None, 4)(images)
    with pytest.raises(UserError, match="neither"):
        FusionNetwork(None, 0)
    with pytest.raises(UserError, match="pooling"):
        FusionNetwork(trunk(), 4, "median")
    with pytest.raises(UserError, match="trunk"):
        FusionNetwork(nn.Conv2d(4, 8, 3), 4)
