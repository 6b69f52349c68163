"""HDF5 patches of one exposure, put together again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.patches_hdf5 import SUFFIX, Patches
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.build import RawRamp, build_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions

LARGEST = 2 * 2**30  # bytes put together in memory


def read_patches(path: Path, options: RampOptions) -> Ramp:
    """A ``_patches.h5`` file with its metadata: gain and noise from there, the time between groups from ``options``.

    Raises:
        UserError: no metadata, no time, or an exposure too large to be put together in memory.
    """
    patches = Patches.open(path)
    size = int(np.prod(patches.shape)) * 4
    if size > LARGEST:
        raise UserError(
            f"patches of at most {LARGEST / 2**30:.0f} GiB together",
            f"{size / 2**30:.1f} GiB",
            f"put them into a file: Patches.open(Path('{path.name}')).assemble(Path('exposure.npy')), and read that",
        )
    known = patches.metadata["parameters"]
    noise = float(np.hypot(known["read_noise"], known.get("gaussian_noise", 0.0)))
    header = {"BUNIT": "DN", "GAIN": known["gain"], "READNOIS": noise}
    detector = path.name.removesuffix(SUFFIX).rsplit("_", 2)[0]
    ramp = build_ramp(RawRamp(path, patches.assemble()[None], header), options)
    return replace(ramp, name=path.name.removesuffix(SUFFIX), detector=detector)
