"""Cubes in HDF5 and npz files, with what stands beside them under the names of the options."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.hdf5 import array_of, arrays_of, open_hdf5, parts_of
from astrid_ml.inflating import refuse_swollen
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.stored import spooled
from astrid_ml.preprocessing.ramps.readers.build import RawRamp, build_ramp
from astrid_ml.preprocessing.ramps.readers.cube import ordered
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.readable import reading
from astrid_ml.types import Array

HDF5 = (".h5", ".hdf5", ".hdf")
CUBES = ("data", "reads", "cube", "ramp", "sci")  # names of the cube where there are several
# What a file may say of itself by the names of the options; never how the file is read, nor paths.
SAID = ("unit", "gain", "read_noise", "saturation", "group_time", "group_times", "frame_time", "reads_per_group",
    "group_gap", "border")  # fmt: skip
MOST_BESIDE = 2**24  # bytes of a value or a map beside the cube that are read


def read_hdf5(path: Path, options: RampOptions) -> Ramp:
    """A cube in an HDF5 file. Attributes of it and of the file, and arrays beside it, say what a header would.

    Raises:
        UserError: none or several cubes, or anything that a cube of a FITS file is refused for.
    """
    with reading(path, "an HDF5 file"), open_hdf5(path) as file:
        shapes = {name: part.shape for name, part in arrays_of(file)}
        name = _cube_of(shapes, path, options)
        part = array_of(file, name)
        said = {key.casefold(): value for key, value in [*file.attrs.items(), *part.attrs.items()]}
        for key, beside in parts_of(file):
            if key.casefold() in SAID and hasattr(beside, "shape") and beside.nbytes <= MOST_BESIDE:
                said[key.casefold()] = array_of(file, key)[()]
        data = _plain_or_spooled(path, part)
    return _built(path, data, said, options)


def _plain_or_spooled(path: Path, part: Any) -> Array:
    """An array of HDF5: mapped where it stands in one piece, else copied plane by plane."""
    if part.dtype.kind not in "iuf":
        raise UserError("a cube of real numbers", f"{part.dtype} in {path.name}", "write it as float32 or integers")
    offset = part.id.get_offset()
    if offset is not None and part.chunks is None and part.size:
        return np.memmap(path, part.dtype, "r", offset=int(offset), shape=part.shape)
    return spooled((part[place] for place in range(part.shape[0])), part.shape, part.dtype)


def read_npz(path: Path, options: RampOptions) -> Ramp:
    """A cube in an npz file; arrays and values beside it say what a header would.

    Raises:
        UserError: none or several cubes, a damaged file, or anything that a cube of a FITS file is refused for.
    """
    with reading(path, "an npz file"), zipfile.ZipFile(path) as archive:
        members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
        for key, one in members.items():
            refuse_swollen(key[:60], one.file_size, max(1, one.compress_size))
        heads = {key: _head(archive, one) for key, one in members.items() if one.filename.endswith(".npy")}
        name = _cube_of({key: shape for key, (shape, _) in heads.items()}, path, options)
        said = {
            key.casefold(): _value(archive, members[key])
            for key in heads
            if key.casefold() in SAID and members[key].file_size <= MOST_BESIDE
        }
        shape, kind = heads[name]
        if kind.kind not in "iuf":
            raise UserError("a cube of real numbers", f"{kind} in {path.name}", "write it as float32 or integers")
        data = spooled(_planes(archive, members[name], shape, kind), shape, kind)
    return _built(path, data, said, options)


def _head(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """(shape, dtype) of a member, of which only the head is inflated.

    Raises:
        ValueError: numbers in Fortran's order, or Python objects.
    """
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(stream)
    if kind.hasobject or (fortran and len(shape) > 1):
        raise ValueError(f"{member.filename} holds {'objects' if kind.hasobject else 'its axes the other way round'}")
    if int(np.prod(shape, dtype=object)) * kind.itemsize > member.file_size:
        raise ValueError(f"{member.filename} declares more than it holds")
    return tuple(shape), kind


def _value(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    with archive.open(member) as stream:
        out: Array = np.lib.format.read_array(stream, allow_pickle=False)
        return out


def _planes(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, shape: tuple[int, ...], kind: np.dtype[Any]
) -> Iterator[Array]:
    """Parts along the first axis, inflated one after the other."""
    size = int(np.prod(shape[1:])) * kind.itemsize
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        (np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0)(stream)
        for _ in range(shape[0]):
            part = stream.read(size)
            if len(part) < size:
                raise ValueError(f"{member.filename} ends too early")
            yield np.frombuffer(part, kind).reshape(shape[1:])


def _cube_of(shapes: Mapping[str, tuple[int, ...]], path: Path, options: RampOptions) -> str:
    """Name of the cube.

    Raises:
        UserError: none, or several of which none is called as cubes are.
    """
    cubes = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    if options.array is not None:
        if options.array not in cubes:
            got = f"no such cube among {', '.join(cubes[:10]) or 'none'} of {path.name}"
            raise UserError(f"an array {options.array} of 3 or 4 axes", got, "correct preprocessing.load.array")
        return options.array
    named = [name for name in cubes if name.rpartition("/")[2].casefold() in CUBES]
    chosen = cubes if len(cubes) == 1 else named
    if len(chosen) != 1:
        got = f"{len(cubes)} in {path.name}{': ' if cubes else ''}{', '.join(cubes[:10])}"
        raise UserError("one array of 3 or 4 axes", got, "say which: preprocessing.load.array=NAME")
    return chosen[0]


def _built(path: Path, data: Array, said: Mapping[str, Any], options: RampOptions) -> Ramp:
    """The ramp, with what the file says of itself where the user says nothing."""
    own = {key: _plain(value) for key, value in said.items()}
    maps = {key: own[key] for key in ("gain", "read_noise", "saturation") if isinstance(own.get(key), np.ndarray)}
    given = {field.name for field in fields(options) if getattr(options, field.name) is not None}
    taken: dict[str, Any] = {key: own[key] for key in SAID if key in own and key not in maps and key not in given}
    header = {key.upper(): value for key, value in own.items() if isinstance(value, str | int | float)}
    if isinstance(own.get("units"), str):
        header.setdefault("BUNIT", own["units"])
    groups = taken.get("group_times")
    if isinstance(groups, np.ndarray):
        taken["group_times"] = tuple(groups.astype(float).reshape(-1).tolist())
    full = replace(options, **{key: _of_kind(key, value, path) for key, value in taken.items()})
    return build_ramp(RawRamp(path, ordered(data, path, options), header, own=maps), full)


def _plain(value: Any) -> Any:
    """A number, a text, or an array."""
    array = np.asarray(value)
    if array.size == 1:
        one = array.reshape(-1)[0]
        one = one.item() if isinstance(one, np.generic) else one
        return one.decode("utf-8", "replace") if isinstance(one, bytes) else one
    return array


def _of_kind(key: str, value: Any, path: Path) -> Any:
    """A value of the option's kind.

    Raises:
        UserError: another kind; a file is never sent to another file.
    """
    if key == "group_times" and isinstance(value, tuple):
        return value
    wants_text, is_number = key == "unit", isinstance(value, int | float) and not isinstance(value, bool)
    whole = key in ("reads_per_group", "group_gap", "border")
    if (wants_text and isinstance(value, str)) or (not wants_text and is_number and not whole):
        return value
    if whole and is_number and float(value).is_integer() and value >= (1 if key == "reads_per_group" else 0):
        return int(value)
    got = f"{key} = {str(value)[:40]!r} in {path.name}"
    raise UserError(f"{key} as {'a text' if wants_text else 'a number'}", got, f"give preprocessing.load.{key}")
