"""Values of each pixel: gain, read noise, saturation, zero level, linearity, mask; numbers, maps or reference files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from astrid_ml.errors import UserError
from astrid_ml.files import read_array
from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, NO_GAIN_VALUE, REFERENCE_PIXEL
from astrid_ml.preprocessing.ramps.ramp.linearity import Linearity
from astrid_ml.preprocessing.ramps.readers.asdf_files import is_asdf, read_roman
from astrid_ml.preprocessing.ramps.readers.crds import reference_files
from astrid_ml.preprocessing.ramps.readers.options import RampOptions, first_of, number, unit_of
from astrid_ml.readable import reading
from astrid_ml.types import Array, Floats32

GAIN_KEYS = ("GAIN", "CONVGAIN", "EGAIN", "CCDGAIN")
NOISE_KEYS = ("READNOIS", "RDNOISE", "RON")
NAMED = {"DO_NOT_USE": DO_NOT_USE, "NO_GAIN_VALUE": NO_GAIN_VALUE, "REFERENCE_PIXEL": REFERENCE_PIXEL}
Shape = tuple[int, int]


@dataclass(frozen=True)
class Maps:
    """What is known of each pixel: numbers or (n_rows, n_cols).

    Args:
        gain: e-/DN.
        read_noise: of one read, e-.
        saturation: DN, or None.
        linearity: of the detector, or None.
        mask: bits, or None.
        rate: of the field, e-/s, or None.
        notes: what was read, for the report.
    """

    gain: float | Floats32
    read_noise: float | Floats32
    saturation: float | Floats32 | None
    linearity: Linearity | None
    mask: npt.NDArray[np.uint32] | None
    rate: Floats32 | None
    notes: tuple[str, ...]


def detector_maps(
    options: RampOptions, header: Mapping[str, Any], unit: str, shape: Shape, own: Mapping[str, Any]
) -> Maps:
    """All of them: what the user says, else reference files of a folder, else the file itself, else its header.

    Args:
        options: of the user.
        header: of the exposure.
        unit: of the exposure, DN or e-.
        shape: (n_rows, n_cols).
        own: values of the file itself, by the name of the option.

    Raises:
        UserError: a gain or a read noise that nobody says; a map that cannot be read, or is of another shape.
    """
    files = {} if options.crds is None else reference_files(Path(options.crds), header)
    notes = [f"{kind} of {path.name}" for kind, path in files.items()]
    place = _Place(shape, header)
    given = _first(options.gain, files.get("gain"), own.get("gain"))
    gain = None if given is None else place.value(given, "gain")
    if gain is None and (unit == "DN" or first_of(header, GAIN_KEYS) is not None):
        gain = number(None, header, GAIN_KEYS, "the gain in e-/DN", "gain")
    noise, said = _read_noise(options, header, place, gain, (files.get("readnoise"), own.get("read_noise")))
    saturation = _first(options.saturation, files.get("saturation"), own.get("saturation"))
    limit = first_of(header, ("SATURATE",)) if saturation is None else place.value(saturation, "saturation")
    if limit is not None and np.ndim(limit) == 0:
        limit = number(None, {"SATURATE": limit}, ("SATURATE",), "the limit of saturation in DN", "saturation")
    mask = _first(options.mask, files.get("mask"))
    return Maps(
        gain=gain if unit == "DN" and gain is not None else 1.0,
        read_noise=noise,
        saturation=limit,
        linearity=_linearity(options, header, place, files),
        mask=None if mask is None else place.mask(Path(mask).expanduser()),
        rate=None if options.rate is None else _rate(Path(options.rate).expanduser(), place, gain),
        notes=(*notes, *said),
    )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _read_noise(
    options: RampOptions,
    header: Mapping[str, Any],
    place: _Place,
    gain: float | Floats32 | None,
    other: tuple[Any, Any],
) -> tuple[float | Floats32, tuple[str, ...]]:
    """Noise of one read in e-. ``READNOIS``, ``RDNOISE`` and ``RON`` are taken as one read's; a file says its own.

    Reference files of JWST hold that of a difference of two reads in DN, those of Roman that of one read in DN.
    """
    given = _first(options.read_noise, *other)
    if given is None:
        return number(None, header, NOISE_KEYS, "the read noise in e-", "read_noise"), ()
    if not isinstance(given, str | Path):
        cds = options.read_noise_is_cds and options.read_noise is not None
        return place.value(given, "read_noise") / (np.sqrt(np.float32(2)) if cds else 1.0), ()
    values, keys = place.read(Path(given).expanduser(), "read_noise")
    of_jwst = keys.get("REFTYPE") == "READNOISE" and keys.get("TELESCOP") == "JWST"
    in_dn = of_jwst or str(keys.get("BUNIT", "")).strip().upper() in ("DN", "ADU", "COUNTS", "COUNT")
    cds = of_jwst or options.read_noise_is_cds
    said = f"read noise of {Path(given).name}: of {'a difference of two reads' if cds else 'one read'}"
    said += ", in DN" if in_dn else ", in e-"
    if in_dn and gain is None:
        fix = "give preprocessing.load.gain, or a map of noise in e- that says so by BUNIT"
        raise UserError("the gain, which makes e- of a noise in DN", f"a ramp in e-, noise of {Path(given).name}", fix)
    factor = (gain if in_dn and gain is not None else 1.0) / (np.sqrt(np.float32(2)) if cds else np.float32(1))
    return (values * factor).astype(np.float32), (said,)


def _rate(path: Path, place: _Place, gain: float | Floats32 | None) -> Floats32:
    """Count rates in e-/s; what is no finite number is not known."""
    values, keys = place.read(path, "rate")
    unit = str(keys.get("BUNIT", "e-/s"))
    base, per_second = unit_of(unit, {})
    if not per_second:
        raise UserError("count rates in e-/s or DN/s", f"BUNIT = {unit} in {path.name}", "give an image of count rates")
    if base == "DN" and gain is None:
        raise UserError("the gain, which makes e- of DN", f"{path.name} in {unit}", "give preprocessing.load.gain")
    rates = values * (gain if base == "DN" and gain is not None else np.float32(1))
    return np.where(np.isfinite(rates), rates, np.nan).astype(np.float32)


def _linearity(
    options: RampOptions, header: Mapping[str, Any], place: _Place, files: Mapping[str, Path]
) -> Linearity | None:
    """The polynomials, where reads are not linear yet.

    Raises:
        UserError: reads that are linear already, or whose zero level nobody says.
    """
    done = str(header.get("S_LINEAR", "")).strip() == "COMPLETE"
    path = _first(options.linearity, None if done else files.get("linearity"))
    if path is None:
        return None
    if done:
        fix = "leave preprocessing.load.linearity out"
        raise UserError("reads that are to be made linear", "S_LINEAR = COMPLETE: they are", fix)
    subtracted = str(header.get("S_SUPERB", "")).strip() == "COMPLETE"
    bias = _first(options.superbias, 0.0 if subtracted else files.get("superbias"))
    if bias is None:
        raise UserError(
            "the zero level of each pixel, from which a correction of linearity counts",
            "linearity without superbias",
            "give preprocessing.load.superbias (a map, or a number in DN; 0 where it is subtracted)",
        )
    level = np.broadcast_to(np.asarray(place.value(bias, "superbias"), np.float32), place.shape)
    return Linearity(place.coefficients(Path(path).expanduser()), level)


@dataclass(frozen=True)
class _Place:
    """Which pixels of a detector an exposure has.

    Args:
        shape: (n_rows, n_cols).
        header: whose SUBSTRT1 and SUBSTRT2 say where they lie.
    """

    shape: Shape
    header: Mapping[str, Any]

    def value(self, given: Any, what: str) -> float | Floats32:
        """A number, or a map by its path or itself."""
        if isinstance(given, str | Path):
            return self.read(Path(given).expanduser(), what)[0]
        if np.ndim(given) == 0:
            return float(given)
        return self.cut(np.asarray(given, np.float32), {}, what)

    def read(self, path: Path, what: str) -> tuple[Floats32, Mapping[str, Any]]:
        """A map and its keywords."""
        values, keys = read_map(path, what)
        return self.cut(values.astype(np.float32), keys, f"{what} ({path.name})"), keys

    def cut(self, values: Array, keys: Mapping[str, Any], what: str) -> Array:
        """The part of a map that the exposure has.

        Raises:
            UserError: a map of another shape, whose part nobody says.
        """
        if values.shape[-2:] == self.shape:
            return values
        rows, columns = (self._slice(axis, keys) for axis in (1, 0))
        if rows is not None and columns is not None:
            part = values[..., rows, columns]
            if part.shape[-2:] == self.shape:
                return part
        wanted, got = (" x ".join(map(str, one)) for one in (self.shape, values.shape[-2:]))
        raise UserError(
            f"a map of {wanted} pixels", f"{what} of {got}", "give that of this detector, or cut the same part out"
        )

    def _slice(self, axis: int, keys: Mapping[str, Any]) -> slice | None:
        name = "SUBSTRT1" if axis == 0 else "SUBSTRT2"
        if not isinstance(self.header.get(name), int):
            return None
        begin = self.header[name] - (keys[name] if isinstance(keys.get(name), int) else 1)
        return slice(begin, begin + self.shape[1 - axis]) if begin >= 0 else None

    def mask(self, path: Path) -> npt.NDArray[np.uint32]:
        """Bits of a mask: by the names of its DQ_DEF; without one, all that is not 0 is not to be used."""
        values, keys = read_map(path, "mask")
        bits = self.cut(np.asarray(values).astype(np.int64), keys, f"mask ({path.name})")
        meanings = {} if path.suffix == ".npy" or is_asdf(path) else _meanings(path)
        if not meanings:
            return np.where(bits != 0, np.uint32(DO_NOT_USE), np.uint32(0)).astype(np.uint32)
        out = np.zeros(self.shape, np.uint32)
        for name, value in meanings.items():
            if name in NAMED:
                out[(bits & value) != 0] |= np.uint32(NAMED[name])
        return out

    def coefficients(self, path: Path) -> Floats32:
        """COEFFS of a file, (n, n_rows, n_cols); pixels that its DQ marks as without a correction are NaN."""
        with reading(path), open_checked(path) as hdus:
            keys = dict(hdus[0].header)
            cubes = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 3]
            named = next((hdu for hdu in cubes if hdu.name == "COEFFS"), cubes[0] if len(cubes) == 1 else None)
            if named is None:
                raise UserError("COEFFS of three axes", f"none in {path.name}", "give a linearity reference file")
            values = self.cut(named.data, keys, f"linearity ({path.name})").astype(np.float32)
            marked = hdus["DQ"].data if "DQ" in hdus else None
            if marked is not None:
                value = _meanings_in(hdus).get("NO_LIN_CORR", 1 << 20)
                bits = self.cut(np.asarray(marked).astype(np.int64), keys, f"linearity's DQ ({path.name})")
                values[:, (bits & value) != 0] = np.nan
        return values


def read_map(path: Path, what: str) -> tuple[Array, Mapping[str, Any]]:
    """A 2-D image and its keywords: of FITS the extension SCI or DQ, else the only one; ``.npy``; ASDF of Roman.

    Args:
        path: of the file.
        what: it is to be, for the message.

    Raises:
        UserError: no such file, or none or several images in it.
    """
    if not path.is_file():
        raise UserError(f"a number or a file for {what}", f"{path}", "check the path")
    if path.suffix == ".npy":
        return _flat(read_array(path), path, what), {}
    if is_asdf(path):
        found = read_roman(path)
        return _flat(np.asarray(found.array("data")), path, what), found.keywords()
    with reading(path), open_checked(path) as hdus:
        keys = dict(hdus[0].header)
        flat = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2]
        wanted = "DQ" if what == "mask" else "SCI"
        chosen = [hdu for hdu in flat if hdu.name == wanted] or flat
        if len(chosen) != 1:
            got = f"{len(chosen)} images of two axes in {path.name}"
            raise UserError(f"one map for {what}", got, f"name the right one {wanted}, or write it alone")
        keys |= {key: value for key, value in chosen[0].header.items() if key in ("BUNIT", "SUBSTRT1", "SUBSTRT2")}
        return _flat(np.asarray(chosen[0].data), path, what), keys


def _flat(values: Array, path: Path, what: str) -> Array:
    if values.ndim != 2 or values.dtype.kind not in "iufb":
        got = f"{values.ndim} axes of {values.dtype} in {path.name}"
        raise UserError(f"a map of two axes of numbers for {what}", got, "give a map of the detector")
    return values


def _meanings(path: Path) -> dict[str, int]:
    with reading(path), open_checked(path) as hdus:
        return _meanings_in(hdus)


def _meanings_in(hdus: Any) -> dict[str, int]:
    """Name -> value of the bits of a DQ, from the table DQ_DEF of JWST's reference files."""
    if "DQ_DEF" not in hdus or hdus["DQ_DEF"].data is None:
        return {}
    table = hdus["DQ_DEF"].data
    return {str(name).strip(): int(value) for name, value in zip(table["NAME"], table["VALUE"], strict=True)}
