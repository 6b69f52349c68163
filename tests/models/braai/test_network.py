"""The published network to its last parameter, and what it can be fed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made.weights import write_keras
from torch.nn.functional import conv2d, max_pool2d

from astrid_ml.build import build
from astrid_ml.errors import UserError
from astrid_ml.models.braai.network import BraaiVGG6, BraaiWide
from astrid_ml.models.commands.import_weights import LAYERS, ImportWeightsCommand, read_keras_weights

COMMAND = "astrid_ml.models.commands.import_weights.ImportWeightsCommand"


def test_vgg6_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in BraaiVGG6().parameters()) == 312_081


def test_imported_weights_compute_what_keras_computes(tmp_path: Path) -> None:
    w = write_keras(tmp_path / "w.h5")
    network = BraaiVGG6().eval()
    network.load_state_dict(read_keras_weights(tmp_path / "w.h5"))
    images = torch.randn(5, 3, 63, 63)

    def convolve(x: torch.Tensor, name: str) -> torch.Tensor:
        kernel = torch.from_numpy(w[name].transpose(3, 2, 0, 1).copy())
        return torch.relu(conv2d(x, kernel, torch.from_numpy(w[f"{name}/bias"])))

    x = max_pool2d(convolve(convolve(images, "conv1"), "conv2"), 2)
    x = max_pool2d(convolve(convolve(x, "conv3"), "conv4"), 4)
    flat = x.permute(0, 2, 3, 1).reshape(5, -1).numpy()  # Keras flattens rows, columns, channels
    hidden = np.maximum(flat @ w["fc_1"] + w["fc_1/bias"], 0)
    expected = (hidden @ w["fc_out"] + w["fc_out/bias"])[:, 0]
    with torch.no_grad():
        assert network(images).numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", [BraaiVGG6, BraaiWide])
@pytest.mark.parametrize(("channels", "size", "features"), [(3, 63, 0), (4, 64, 16), (2, 41, 3)])
def test_any_channels_size_and_features(kind: type[BraaiVGG6], channels: int, size: int, features: int) -> None:
    network = kind(channels, size, features)
    table = torch.randn(2, features) if features else None
    out = network(torch.randn(2, channels, size, size), table)
    assert out.shape == (2,)
    out.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_stamps_too_small_for_vgg6_are_refused() -> None:
    with pytest.raises(UserError, match="at least 20 px"):
        BraaiVGG6(size=16)


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(UserError, match="HDF5"):
        read_keras_weights(tmp_path / "text.h5")
    write_keras(tmp_path / "part.h5", leave_out="conv4")
    with pytest.raises(UserError, match="VGG6"):
        read_keras_weights(tmp_path / "part.h5")
    write_keras(tmp_path / "w.h5")
    with pytest.raises(UserError, match="variant"):
        build({"_target_": COMMAND, "input": str(tmp_path / "w.h5"), "variant": "d7", "ckpt_path": "o.ckpt"}).run()
    assert len(LAYERS) == 6


def test_a_checkpoint_that_stands_there_is_not_written_over(tmp_path: Path) -> None:
    write_keras(tmp_path / "w.h5")
    command = ImportWeightsCommand(str(tmp_path / "w.h5"), "d6_m7", str(tmp_path / "o.ckpt"))
    command.run()
    command.run()  # the same again is welcome
    before = (tmp_path / "o.ckpt").read_bytes()
    with pytest.raises(UserError, match="a file of torch"):
        ImportWeightsCommand(str(tmp_path / "w.h5"), "d6_m9", str(tmp_path / "o.ckpt")).run()
    assert (tmp_path / "o.ckpt").read_bytes() == before
    (tmp_path / "notes.ckpt").write_text("mine")
    with pytest.raises(UserError, match="a text file"):
        ImportWeightsCommand(str(tmp_path / "w.h5"), "d6_m7", str(tmp_path / "notes.ckpt")).run()
    with pytest.raises(UserError, match=r"write ckpt_path=notes\.ckpt"):
        ImportWeightsCommand("w.h5", "d6_m7", "notes.txt")


def test_damaged_weights_are_refused_or_are_finite_numbers_of_the_right_shape(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    write_keras(path)
    content, random = path.read_bytes(), np.random.default_rng(20261127)
    shapes = {name: tensor.shape for name, tensor in read_keras_weights(path).items()}
    refused = 0
    for number in range(200):
        at = int(random.integers(0, len(content) if number % 2 else 4000))  # half of them in the first headers
        turned = bytes([content[at] ^ (1 << int(random.integers(0, 8)))])
        path.write_bytes(content[:at] if number % 4 == 0 else content[:at] + turned + content[at + 1 :])
        try:
            state = read_keras_weights(path)
        except UserError:
            refused += 1
        else:
            assert {name: tensor.shape for name, tensor in state.items()} == shapes
            assert all(bool(tensor.isfinite().all()) for tensor in state.values())
    assert refused >= 50  # every one that is cut; a number that turned into another has no checksum in HDF5
