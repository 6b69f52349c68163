"""A file of weights in the layout of the published ones, with random numbers in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

KERAS = {
    "conv1": (3, 3, 3, 16),
    "conv2": (3, 3, 16, 16),
    "conv3": (3, 3, 16, 32),
    "conv4": (3, 3, 32, 32),
    "fc_1": (1152, 256),
    "fc_out": (256, 1),
}


def write_keras(path: Path, leave_out: str = "") -> dict[str, Any]:
    random = np.random.default_rng(0)
    weights = {}
    with h5py.File(path, "w") as file:
        for name, shape in KERAS.items():
            if name != leave_out:
                weights[name] = random.normal(0, 0.1, shape).astype(np.float32)
                weights[f"{name}/bias"] = random.normal(0, 0.1, shape[-1]).astype(np.float32)
                file[f"{name}/{name}/kernel:0"] = weights[name]
                file[f"{name}/{name}/bias:0"] = weights[f"{name}/bias"]
    return weights
