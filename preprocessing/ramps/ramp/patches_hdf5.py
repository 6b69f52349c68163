"""Overlapping patches of one exposure in HDF5, in the layout of ohana's training sets, read and written.

``<exposure>_patches.h5`` holds ``patch_0000``, ``patch_0001``, ... of (n_groups - 1, height, width) in DN with the
first read subtracted and left out; ``metadata/<detector>/<exposure>.json`` says where each lies (row, column), which
gain and noise the exposure has, and which events were put in. A single ``metadata.json`` with all exposures is read
too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import read_note, whole, write_json
from astrid_ml.hdf5 import array_of, open_hdf5
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, SNOWBALL, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.types import Floats32

SUFFIX = "_patches.h5"
_NAMES = {COSMIC_RAY: "cosmic_ray", SNOWBALL: "snowball", TELEGRAPH_NOISE: "rtn"}
_CODES = {name: code for code, name in _NAMES.items()}
_COUNTED = {"cosmic_ray": "cosmic_rays", "snowball": "snowballs", "rtn": "rtn"}


def patch_starts(length: int, patch: int, overlap: int) -> list[int]:
    """First pixel of each patch along an axis; a last one ends at the edge where the steps do not reach it.

    Raises:
        UserError: the patch is larger than the axis, or the overlap as large as the patch.
    """
    if not (0 <= overlap < patch <= length):
        raise UserError(
            f"0 <= overlap < patch <= {length}", f"patch {patch}, overlap {overlap}", "choose patch_size and overlap"
        )
    starts = list(range(0, length - patch + 1, patch - overlap))
    return starts if starts[-1] + patch == length else [*starts, length - patch]


def write_patches(
    ramp: Ramp,
    folder: Path,
    patch_size: tuple[int, int] = (256, 256),
    overlap: int = 32,
    events: pd.DataFrame | None = None,
    parameters: dict[str, float] | None = None,
) -> Path:
    """Write the patches of an exposure of one integration; one patch at a time is in memory.

    Args:
        ramp: the exposure, in DN, or in e- with a gain.
        folder: gets the file and ``metadata/<detector>/``.
        patch_size: rows and columns.
        overlap: pixels that neighbours share.
        events: the simulator's event list, or None.
        parameters: ``dark_current`` (e-/s) and ``gaussian_noise`` (e-), where known.

    Returns:
        the HDF5 file's path.

    Raises:
        UserError: several integrations, or patches that do not fit.
    """
    import h5py

    n_ints, _, h, w = ramp.shape
    if n_ints != 1:
        raise UserError("an exposure of one integration", f"{n_ints}", "write each integration as its own exposure")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{ramp.name}{SUFFIX}"
    scale = np.float32(1.0) if ramp.unit == "DN" else np.float32(1.0) / np.float32(np.mean(ramp.gain))
    listed: list[dict[str, Any]] = []
    with whole(target) as part, h5py.File(part, "w") as file:
        for y in patch_starts(h, patch_size[0], overlap):
            for x in patch_starts(w, patch_size[1], overlap):
                name = f"patch_{len(listed):04d}"
                cube = np.asarray(ramp.data[0, :, y : y + patch_size[0], x : x + patch_size[1]], np.float32)
                file.create_dataset(name, data=(cube[1:] - cube[0]) * scale, compression="gzip", track_times=False)
                listed.append({"id": name, "coords": [y, x]})
    info = {"patch_size": list(patch_size), "overlap": overlap, "patches": listed}
    noise = {"gain": float(np.mean(ramp.gain)), "read_noise": float(np.mean(ramp.read_noise))}
    content = {
        "exposure_id": ramp.name,
        "parameters": noise | (parameters or {}) | {"injected_events": _injected(events)},
        "h5_file": target.name,
        "patch_info": info,
    }
    place = folder / "metadata" / (ramp.detector or "unknown")
    place.mkdir(parents=True, exist_ok=True)
    write_json(place / f"{ramp.name}.json", content)
    return target


def _injected(events: pd.DataFrame | None) -> dict[str, Any]:
    """Event list -> counts and details; positions are (row, column)."""
    details = [_detail(row) for row in events.to_dict("records")] if events is not None and len(events) else []
    counts = {plural: sum(d["type"] == name for d in details) for name, plural in _COUNTED.items()}
    return {"counts": counts, "details": details}


def _detail(row: Mapping[Any, Any]) -> dict[str, Any]:
    kind, place = _NAMES[int(row["type"])], [round(float(row["y"])), round(float(row["x"]))]
    charge, group = float(row["charge"]), int(row["group"])
    if kind == "cosmic_ray":
        return {"type": kind, "position": place, "frame": group, "charge_e": charge}
    if kind == "rtn":
        period = float(row["dwell_high"]) + float(row["dwell_low"])
        cycle = {"period_frames": period, "duty_fraction": float(row["dwell_high"]) / period}
        return {"type": kind, "position": place, "offset_e": charge} | cycle
    halo = {"halo_amplitude_ratio": float(row["halo_ratio"]), "halo_decay_scale": float(row["halo_scale"])}
    core = {"radius": float(row["radius"]), "core_charge_e": charge, "impact_frame": group}
    return {"type": kind, "center": place} | core | halo


@dataclass(frozen=True)
class Patches:
    """Patches of one exposure.

    Args:
        path: the HDF5 file.
        metadata: what stands beside it, as read from JSON.
    """

    path: Path
    metadata: dict[str, Any]

    @staticmethod
    def open(path: Path) -> Patches:
        """Find the metadata of a ``_patches.h5`` file.

        Raises:
            UserError: no metadata beside the file, in its ``metadata`` folder or ``metadata.json``.
        """
        name = path.name.removesuffix(SUFFIX)
        for place in [*sorted(path.parent.glob(f"metadata/*/{name}*.json")), path.with_name("metadata.json")]:
            if place.is_file():
                content = read_note(place)
                for entry in [content, *(v for v in content.values() if isinstance(v, dict))]:
                    if entry.get("h5_file") == path.name:
                        return Patches(path, entry)
        raise UserError(
            f"metadata of {path.name}", f"none in {path.parent}", "keep metadata/<detector>/<exposure>.json beside it"
        )

    def __iter__(self) -> Iterator[tuple[str, tuple[int, int], Floats32]]:
        """(name, (row, column), cube of (n_groups - 1, height, width) in DN)."""
        with open_hdf5(self.path) as file:
            for patch in self.metadata["patch_info"]["patches"]:
                row, column = patch["coords"]
                yield patch["id"], (int(row), int(column)), np.asarray(self._array(file, patch["id"]), np.float32)

    def _array(self, file: Any, name: str) -> Any:
        try:
            return array_of(file, name)
        except KeyError as error:
            got = "it is missing"
            raise UserError(f"{name} in {self.path.name}", got, "write the patches again") from error
        except ValueError as error:
            raise UserError(
                f"patches whose values stand in {self.path.name}", str(error), "write them again"
            ) from error

    @property
    def shape(self) -> tuple[int, int, int]:
        """Groups (the left-out first read counted), rows and columns that the patches cover."""
        listed = self.metadata["patch_info"]["patches"]
        with open_hdf5(self.path) as file:
            sizes = [self._array(file, patch["id"]).shape for patch in listed]
        rows = max(patch["coords"][0] + size[1] for patch, size in zip(listed, sizes, strict=True))
        columns = max(patch["coords"][1] + size[2] for patch, size in zip(listed, sizes, strict=True))
        return int(sizes[0][0]) + 1, int(rows), int(columns)

    def assemble(self, target: Path | None = None) -> Floats32:
        """The exposure in DN, (n_groups, n_rows, n_cols), with a first read of 0; NaN where no patch lies.

        Args:
            target: a ``.npy`` file to put it in, memory-mapped, for exposures larger than memory.
        """
        if target is None:
            out: Floats32 = np.empty(self.shape, np.float32)
        else:
            out = np.lib.format.open_memmap(target, mode="w+", dtype=np.float32, shape=self.shape)
        out[:] = np.nan
        for _, (row, column), cube in self:
            part = (slice(row, row + cube.shape[1]), slice(column, column + cube.shape[2]))
            out[0][part] = 0.0
            out[(slice(1, None), *part)] = cube
        return out

    def events(self) -> pd.DataFrame:
        """Events that were put in: type (code), group, y, x, charge (e-); group -1 for telegraph noise."""
        rows = []
        for event in self.metadata["parameters"].get("injected_events", {}).get("details", []):
            y, x = event["position"] if "position" in event else event["center"]
            group = event.get("frame", event.get("impact_frame", -1))
            charge = next((event[key] for key in ("charge_e", "offset_e", "core_charge_e") if key in event), np.nan)
            rows.append({"type": _CODES[event["type"]], "group": int(group), "y": y, "x": x, "charge": float(charge)})
        return pd.DataFrame(rows, columns=["type", "group", "y", "x", "charge"])
