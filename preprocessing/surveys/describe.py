"""A description from a YAML file, checked field by field: what is expected, what stands there, what to do."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.option_files import content_of
from astrid_ml.preprocessing.surveys.survey import ROLES, Survey
from astrid_ml.reasons import shortened
from astrid_ml.values import fields_of, fits, required, words_of

T = TypeVar("T")
# Beyond these nobody has a camera: another unit was meant. Micrometres; arcsec.
WAVELENGTHS, SCALES = (0.05, 30.0), (0.005, 120.0)
EARLIEST = 2_000_000.0  # of a zero of days that is a Julian date: no MJD is as large
_MISSION = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_survey(path: Path) -> Survey:
    """The description in a file.

    Raises:
        UserError: no such file, no YAML, or a field that is unknown, absent or of another kind.
    """
    return survey_of(content(path), path.name)


def content(path: Path) -> dict[str, Any]:
    """What a file of a description says, as plain containers.

    Raises:
        UserError: it cannot be read, or holds no keys and values.
    """
    import yaml

    try:
        found = content_of(path)
    except OSError as error:
        raise UserError("a file that describes a survey", f"{path}: {error.strerror}", "check the path") from error
    except (ValueError, yaml.YAMLError) as error:
        got = f"{path}: {shortened(' '.join(str(error).split()), 200)}"
        raise UserError("a description of a survey in YAML", got, "repair that file") from error
    if not isinstance(found, dict):
        got = f"{path}, which holds {type(found).__name__}"
        raise UserError("a description of a survey: keys and values", got, "see docs/surveys.md")
    return found


def survey_of(said: Mapping[str, Any], where: str) -> Survey:
    """The survey that plain containers describe.

    Args:
        said: as a YAML file holds it.
        where: what messages call it.

    Raises:
        UserError: a field is unknown, absent or of another kind, or the fields contradict each other.
    """
    survey = made(Survey, said, where)
    if not _MISSION.fullmatch(survey.mission):
        raise UserError(f"mission in {where} of small letters and digits", survey.mission, "for instance mission: ztf")
    signature = survey.recognise.signature
    if len(signature) == 1:
        got = f"only {signature[0]}"
        raise UserError(f"recognise.signature in {where} with two keys or more", got, "one key alone proves nothing")
    for pattern in survey.recognise.object_ids:
        try:
            re.compile(pattern)
        except re.error as error:
            got = f"{pattern}: {error}"
            raise UserError(f"recognise.object_ids in {where}: regular expressions", got, "repair it") from error
    _refuse_shared_names(survey, where)
    _refuse_other_units(survey, where)
    for path in survey.assumed:
        if not _holds(said, path.split(".")):
            fix = "name fields as bands.g.zero_point"
            raise UserError(f"assumed in {where} with fields that it has", path, fix)
    if survey.packet is not None:
        _check_packet(survey, where)
    return survey


def _holds(said: Any, keys: list[str]) -> bool:
    """Whether plain containers have a value under the keys that lead there."""
    for key in keys:
        if not isinstance(said, Mapping) or key not in said:
            return False
        said = said[key]
    return True


def _refuse_shared_names(survey: Survey, where: str) -> None:
    """One name of a filter, or one number, that means two."""
    taken: dict[str | int, str] = {}
    for name, band in survey.bands.items():
        names: list[str | int] = [name, *band.aliases]
        for alias in names + ([] if band.code is None else [band.code]):
            if taken.setdefault(alias, name) != name:
                got = f"{alias} for {taken[alias]} and for {name}"
                raise UserError(f"bands in {where}, each with names of its own", got, "leave it at one of them")


def _refuse_other_units(survey: Survey, where: str) -> None:
    """Wavelengths in nm or Angstrom, pixels in degrees, radians or mas."""
    for name, band in survey.bands.items():
        long = band.wavelength
        if long is not None and not WAVELENGTHS[0] <= long <= WAVELENGTHS[1]:
            fix = f"write micrometres: {long:g} nm are {long / 1e3:g}, {long:g} Angstrom {long / 1e4:g}"
            low, high = WAVELENGTHS
            raise UserError(f"bands.{name}.wavelength in {where} from {low:g} to {high:g} um", f"{long:g}", fix)
    scales = {
        "pixel_scale": survey.pixel_scale,
        "stamp.pixel_scale": survey.stamp.pixel_scale if survey.stamp else None,
    }
    for field, scale in scales.items():
        if scale is not None and not SCALES[0] <= scale <= SCALES[1]:
            shown = (f"{scale:g} deg are {scale * 3600:g}", f"{scale:g} mas {scale / 1000:g}")
            fix = f"write arcsec: {shown[0] if scale < 1 else shown[1]}"
            low, high = SCALES
            raise UserError(f"{field} in {where} from {low:g} to {high:g} arcsec", f"{scale:g}", fix)


def _check_packet(survey: Survey, where: str) -> None:
    packet = survey.packet
    assert packet is not None
    for role in packet.keys:
        if role not in ROLES:
            fix = nearest(role, ROLES) or "leave it out"
            raise UserError(f"packet.keys in {where} among {', '.join(ROLES)}", role, fix)
    absent = [role for role in ("id", "time", "ra", "dec") if role not in packet.keys]
    if absent:
        raise UserError(f"packet.keys in {where} with id, time, ra and dec", f"no {', '.join(absent)}", "add them")
    if (packet.time_format == "days") != (packet.time_zero is not None) or (packet.time_zero or EARLIEST) < EARLIEST:
        got = f"time_format: {packet.time_format} and time_zero: {packet.time_zero}"
        fix = "for instance time_format: days, time_zero: 2457000 (of TESS)"
        raise UserError(f"packet in {where} with a time_zero of days, as a Julian date", got, fix)
    if survey.stamp is None:
        raise UserError(f"stamp in {where}: size and pixel_scale", "packet without stamp", "describe the stamps too")
    if packet.exposures is not None and (len(packet.exposures) != 2 or packet.exposures[0] > packet.exposures[1]):
        raise UserError(f"packet.exposures in {where}: [shortest, longest], s", f"{packet.exposures}", "correct it")
    if packet.only_filter is not None and packet.only_filter not in survey.bands:
        known = ", ".join(survey.bands) or "none"
        raise UserError(f"packet.only_filter in {where} among the bands {known}", packet.only_filter, "name one")


def made(kind: type[T], said: Any, where: str) -> T:
    """An object of a dataclass from plain containers, nested ones too.

    Args:
        kind: a dataclass whose annotations say what each field may hold.
        said: keys and values.
        where: the file, then the keys that lead there.

    Raises:
        UserError: a key that the class does not have, one that it needs, or a value of another kind.
    """
    if not isinstance(said, Mapping):
        raise UserError(f"{where}: keys and values", f"{said!r}", f"write the fields of {kind.__name__} there")
    fields: Mapping[str, Any] = fields_of(kind)  # type: ignore[arg-type]  # a class can be hashed
    for key in said:
        if key not in fields:
            fix = nearest(str(key), fields) or f"choose among {', '.join(fields)}"
            raise UserError(f"a field of {kind.__name__} in {where}", str(key), fix)
    absent = [name for name in required(kind) if name not in said]
    if absent:
        raise UserError(f"{', '.join(absent)} in {where}", "none", "add it; see docs/surveys.md")
    return kind(**{name: _value(fields[name], value, f"{where}: {name}") for name, value in said.items()})


def _value(hint: Any, said: Any, where: str) -> Any:
    inner = _dataclass_in(hint)
    if inner is not None:
        origin = typing.get_origin(_bare(hint))
        if origin is not None and issubclass(origin, Mapping) and isinstance(said, Mapping):
            return {str(key): made(inner, {} if part is None else part, f"{where}.{key}") for key, part in said.items()}
        return None if said is None and _may_be_none(hint) else made(inner, said, where)
    if not fits(said, hint, None):
        raise UserError(f"{where}: {words_of(hint)}", f"{said!r}", "correct that value")
    return _frozen(said)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(part) for part in value)
    return {key: _frozen(part) for key, part in value.items()} if isinstance(value, Mapping) else value


def _bare(hint: Any) -> Any:
    """An annotation without null and without what ``Annotated`` adds."""
    if typing.get_origin(hint) is typing.Annotated:
        return _bare(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        return _bare(parts[0]) if len(parts) == 1 else hint
    return hint


def _may_be_none(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)


@cache
def _dataclass_in(hint: Any) -> Any:
    """The dataclass that an annotation holds, or holds by name; None for plain values."""
    bare = _bare(hint)
    parts = typing.get_args(bare)
    found = parts[-1] if parts and typing.get_origin(bare) is not typing.Literal else bare
    return found if isinstance(found, type) and dataclasses.is_dataclass(found) else None
