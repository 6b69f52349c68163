"""Published Braai weights (Keras HDF5) become a checkpoint; h5py only, no TensorFlow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from astrid_ml.build import build, plain
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import read_record, save_model
from astrid_ml.checkpoint.record import ChannelRecord, Record
from astrid_ml.config import compose, preprocessing_of
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import file_hash
from astrid_ml.found import found, why_unread
from astrid_ml.hdf5 import open_hdf5
from astrid_ml.types import Array

LAYERS = ("conv1", "conv2", "conv3", "conv4", "fc1", "fc2")
# What each published model does to a stamp before the network (FORMATS of Braai's own code, checked on its scores).
KNOWN_AS = {"d6_m7": ["drb"], "d6_m9": []}
# SHA-256 of the published files: by them the variant is known, and what it was trained on.
PUBLISHED = {
    "b5af44ffe3c7077981f103dcfcbe08fa4a4e833de1961c46bd99fc60a55a03ad": "d6_m7",
    "de0d198246d1a30effecf3bdd83ada0b8218ccdfaf7d5fdaf2de0af061413b2f": "d6_m9",
}
# Duev et al. 2019 (MNRAS 489, 3582): alerts of ZTF, which uses them in g, r and i; 63 x 63 px of 1.012 arcsec with the
# sky in them. At a chip's edge stamps are cut; that half of one must be left is an assumption. Nobody here has the
# training samples, so there is no S/N range and no density.
TRAINED_ON: dict[str, Any] = {
    "values": {"mission": ["ztf"], "filter": ["g", "i", "r"]},
    "filters": {"ztf": ["g", "i", "r"]},
    "ranges": {"stamp_size": [32.0, 63.0], "pixel_scale": [1.0, 1.02]},
    "sky": "included",
    "simulated": False,
    "density": None,
}
LARGEST = 1 << 24  # numbers in one array of a VGG6: more is damage
VARIANTS = {"d6_m7": "braai_d6_m7", "d6_m9": "braai_d6_m9"}


def read_keras_weights(path: Path) -> dict[str, Tensor]:
    """Kernels and biases of a VGG6, as the state of :class:`astrid_ml.models.braai.network.BraaiVGG6`.

    Keras keeps convolutions as (height, width, in, out) and dense kernels as (in, out).

    Raises:
        UserError: no HDF5 file, or not the six layers of a VGG6.
    """
    import h5py

    try:
        with open_hdf5(path) as file:
            found: list[Array] = []
            names: list[str] = []

            def collect(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset) and item.ndim in (1, 2, 4):
                    if item.external or item.is_virtual or item.size > LARGEST or item.dtype.kind not in "fiu":
                        raise ValueError(f"{name} is no array of numbers inside the file")
                    names.append(name)
                    found.append(np.asarray(item))

            file.visititems(collect)
    except Exception as error:  # a damaged file fails in whatever way its bytes lead to
        raise UserError(
            "Keras weights in HDF5", why_unread(path, "an HDF5 file", error), "give the .h5 file of the published model"
        ) from error
    lost = [name for name, array in zip(names, found, strict=True) if not np.isfinite(array).all()]
    if lost:
        raise UserError("weights that are finite numbers", f"NaN or infinity at {lost[0]} in {path}", "copy it again")
    return _state(dict(zip(names, found, strict=True)), path)


def _state(arrays: dict[str, Array], path: Path) -> dict[str, Tensor]:
    kernels = sorted(((name, array) for name, array in arrays.items() if array.ndim > 1), key=_order)
    shapes = [array.shape for _, array in kernels]
    if [len(shape) for shape in shapes] != [4, 4, 4, 4, 2, 2]:
        raise UserError(
            "four convolutions and two dense layers (VGG6)",
            f"kernels of shapes {shapes[:8]} in {path.name}",
            "give d6_m7.weights.h5 or braai_d6_m9.weights.h5",
        )
    state: dict[str, Tensor] = {}
    for layer, (name, kernel) in zip(LAYERS, kernels, strict=True):
        bias = arrays.get(name.replace("kernel", "bias"))
        if bias is None or bias.shape != kernel.shape[-1:]:
            raise UserError(f"a bias beside {name}", "none that fits", "give the complete weights file")
        turned = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        state[f"{layer}.weight"] = torch.from_numpy(np.ascontiguousarray(turned, dtype=np.float32))
        state[f"{layer}.bias"] = torch.from_numpy(np.ascontiguousarray(bias, dtype=np.float32))
    return state


def _order(item: tuple[str, Array]) -> tuple[bool, int, int, str]:
    """Convolutions first, by their width; then dense layers, the single output last; then by name."""
    name, kernel = item
    return (kernel.ndim == 2, kernel.shape[-1] if kernel.ndim == 4 else -kernel.shape[-1], kernel.shape[-2], name)


@dataclass(frozen=True)
class ImportWeightsCommand:
    """``astrid import-weights input=H5 variant=d6_m7 ckpt_path=C``.

    Args:
        input: the Keras HDF5 file.
        variant: ``d6_m7`` (behind ZTF's ``drb``) or ``d6_m9``; it fixes how stamps are normalised.
        ckpt_path: the checkpoint to write.
    """

    input: str
    variant: Literal["d6_m7", "d6_m9"]
    ckpt_path: str

    def __post_init__(self) -> None:
        if not str(self.ckpt_path).endswith(".ckpt"):
            fix = f"write ckpt_path={Path(str(self.ckpt_path)).with_suffix('.ckpt')}"
            raise UserError("ckpt_path=FILE.ckpt to be written", str(self.ckpt_path), fix)

    def _nodes(self) -> dict[str, Any]:
        """The configuration that the checkpoint carries."""
        config = plain(
            compose(
                "train",
                [
                    "model=braai_vgg6",
                    f"channels={VARIANTS[self.variant]}",
                    "augment=none",
                    "calibration=none",
                    "paths.run_dir=none",
                    "paths.sweep_dir=none",
                ],
            )
        )
        nodes = {name: config[name] for name in ("channels", "datamodule", "model", "evaluation")}
        return nodes | {"preprocessing": preprocessing_of("alerts")}

    def run(self) -> dict[str, Any]:
        """Write the checkpoint: uncalibrated, with a threshold of 0.5."""
        other = [name for name in VARIANTS if name in Path(self.input).name and name != self.variant]
        if other and self.variant in VARIANTS:
            fix = f"write variant={other[0]}: the two normalise stamps in different ways"
            raise UserError(f"weights of {self.variant}", f"{Path(self.input).name}, by its name of {other[0]}", fix)
        if self.variant not in VARIANTS:  # made without the command line, which asks the annotation
            raise UserError(f"variant={' or '.join(VARIANTS)}", self.variant, "for instance variant=d6_m7")
        if not Path(self.input).is_file():
            raise UserError("input=FILE.h5", found(self.input), "check the path")
        published = published_as(Path(self.input), self.variant)
        nodes = self._nodes()
        task = build(nodes["model"]["task"])
        state = {f"network.{name}": value for name, value in read_keras_weights(Path(self.input)).items()}
        expected = {name: value.shape for name, value in task.network.state_dict(prefix="network.").items()}
        wrong = [name for name, shape in expected.items() if name not in state or state[name].shape != shape]
        if wrong:
            raise UserError(
                "weights of the published VGG6 (312,081 parameters)",
                f"other shapes at {', '.join(wrong)}",
                "give the published file of that variant",
            )
        note = f"imported from {Path(self.input).name}, variant {self.variant}"
        calibration = {
            "kind": "none",
            "parameters": {},
            "calibrated": False,
            "threshold": 0.5,
            "rule": "0.5, not chosen on data",
        }
        record = Record(
            "alerts",
            nodes,
            ChannelRecord(list(nodes["channels"]["names"]), "included"),  # ZTF keeps the sky in its stamps
            calibration=calibration,
            note=note,
            known_as=KNOWN_AS[self.variant],
            validity=None if published is None else TRAINED_ON,
        )
        target = Path(self.ckpt_path)
        refuse_others(target, state, note)
        save_model(target, state, record)
        return {
            "checkpoint": self.ckpt_path,
            "parameters": sum(value.numel() for value in state.values()),
            "calibrated": "no: probability will be null",
            "published": "no: nobody knows what these weights were trained on, in_domain will be null"
            if published is None
            else f"{published}, by its SHA-256",
        }


def published_as(path: Path, variant: str) -> str | None:
    """Which published file this is, by its SHA-256; None where it is none.

    Raises:
        UserError: it is that of another variant.
    """
    found_as = PUBLISHED.get(file_hash(path))
    if found_as not in (None, variant):
        fix = f"write variant={found_as}: the two normalise stamps in different ways"
        raise UserError(f"weights of {variant}", f"{path.name}, the published {found_as}", fix)
    return found_as


def refuse_others(target: Path, state: dict[str, Any], note: str) -> None:
    """Refuse a place where anything but these very weights stands.

    Raises:
        UserError: it is taken.
    """
    if not os.path.lexists(target):
        return
    try:
        record, weights = read_record(target)
        if record.note == note and digest_of(dict(weights)) == digest_of(state):
            return
    except UserError:
        pass  # no checkpoint of ours
    raise UserError("ckpt_path=FILE that is free", found(target), "choose another ckpt_path, or remove that file")
