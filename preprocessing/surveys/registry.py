"""Which surveys there are, and which of them a header or a packet belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.found import found as found_at
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.surveys.describe import content, read_survey, survey_of
from astrid_ml.preprocessing.surveys.survey import Survey

FOLDER = "surveys"  # of descriptions, in a folder of options: a plug-in's, or that of --config-dir
Described = str | Mapping[str, Any] | list[Any] | None
_NAMING = ("MISSION", "TELESCOP", "OBSERVAT", "SURVEY", "FPA.TELESCOPE")
_INSTRUMENT = ("INSTRUME", "FPA.INSTRUMENT")
_MADE: dict[str, Surveys] = {}  # by the value that they were made of


@cache
def packaged() -> dict[str, Survey]:
    """The surveys that come with the program, by mission."""
    found = (read_survey(path) for path in sorted(Path(__file__).parent.glob("*.yaml")))
    return {survey.mission: survey for survey in found}


def survey_named(mission: str) -> Survey:
    """A packaged survey by its canonical name.

    Raises:
        KeyError: there is none: for code that names one, not for what a user typed.
    """
    return packaged()[mission]


@dataclass(frozen=True)
class Recognised:
    """Whose a file or a packet is.

    Args:
        survey: None where it is nobody's, or of several.
        by: what told it, or why it is not known.
    """

    survey: Survey | None
    by: str


@dataclass(frozen=True)
class Surveys:
    """The surveys among which files are recognised.

    Args:
        known: by mission.
        chosen: the one that the user named; None where files tell it themselves.
    """

    known: Mapping[str, Survey]
    chosen: Survey | None = None

    @cached_property
    def names(self) -> dict[str, Survey]:
        """Each survey under all of its names, in small letters."""
        return {
            _plain(name): survey
            for survey in self.known.values()
            for name in (survey.name, survey.mission, *survey.aliases)
        }

    def named(self, name: str) -> Survey:
        """The survey of a name.

        Raises:
            UserError: there is none.
        """
        found = self.names.get(_plain(name))
        if found is None:
            fix = nearest(_plain(name), self.names) or f"choose among {', '.join(sorted(self.known))}, or name a file"
            got = found_at(name) if "/" in name or "." in name else name
            raise UserError("the name of a survey that is known, or the file of a description", got, fix)
        return found

    def of_header(self, header: Mapping[str, Any]) -> Recognised:
        """Whose image a header belongs to: by exact names of telescope and instrument, else by several keys together.

        A telescope that none of the surveys has makes the image nobody's, whatever its instrument is called.
        """
        return self._unless_another(self._said_by_header(header))

    def _said_by_header(self, header: Mapping[str, Any]) -> Recognised:
        said = {key: _plain(header[key]) for key in (*_NAMING, *_INSTRUMENT, "ORIGIN") if _filled(header.get(key))}
        places = {key: said[key] for key in _NAMING if key in said}
        instruments = {said[key] for key in _INSTRUMENT if key in said}
        by: dict[str, str] = {}
        for survey in self.known.values():
            told = _told_by(survey, places, instruments, said.get("ORIGIN"))
            if told:
                by[survey.mission] = told
        if not by and not said.keys() - {"ORIGIN"}:
            for survey in self.known.values():
                keys = survey.recognise.signature
                if keys and all(key in header for key in keys):
                    by[survey.mission] = f"{' and '.join(keys)} together"
        words = ", ".join(f"{key}={header[key]}" for key in said)
        return self._only(by, words or "no key that names a telescope")

    def of_packet(self, packet: Mapping[str, Any], names: Iterable[Any]) -> Recognised:
        """Whose packet it is: by its publisher, its object's name, or fields that only one survey has together.

        Args:
            packet: as it was read.
            names: object names that it has.
        """
        return self._unless_another(self._said_by_packet(packet, names))

    def _unless_another(self, found: Recognised) -> Recognised:
        """The survey that was given, unless the file says plainly that it is another's."""
        if self.chosen is None or found.survey is self.chosen:
            return found
        if found.survey is None:
            return Recognised(self.chosen, "given")
        return Recognised(None, f"survey={self.chosen.name} was given, and {found.by} is of {found.survey.name}")

    def _said_by_packet(self, packet: Mapping[str, Any], names: Iterable[Any]) -> Recognised:
        publisher = packet.get("publisher")
        published = self._publishers.get(_plain(publisher), []) if _filled(publisher) else []
        if published:
            told = f"publisher {publisher}"
            meant = [self.chosen] if self.chosen in published else published  # several say so: the one that was named
            return self._only({survey.mission: told for survey in meant if survey}, told)
        by: dict[str, str] = {}
        words = [str(name) for name in names if _filled(name)]
        for mission, form in self._object_forms:
            if any(form.fullmatch(word) for word in words):
                by[mission] = f"object {words[0]}"
        by |= self._by_fields(packet)
        return self._only(by, str(publisher or (words[0] if words else "no publisher and no object")))

    def _by_fields(self, packet: Mapping[str, Any]) -> dict[str, str]:
        """Whose fields it has together; of two whose it has, that of more: packets of RAPID hold all of Rubin's."""
        found = {
            survey.mission: survey.recognise.packet_fields
            for survey in self.known.values()
            if survey.recognise.packet_fields
            and all(has_field(packet, name) for name in survey.recognise.packet_fields)
        }
        most = max(map(len, found.values()), default=0)
        return {mission: f"the fields {', '.join(fields)}" for mission, fields in found.items() if len(fields) == most}

    @cached_property
    def _object_forms(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(one.mission, re.compile(form)) for one in self.known.values() for form in one.recognise.object_ids]

    @cached_property
    def _publishers(self) -> dict[str, list[Survey]]:
        out: dict[str, list[Survey]] = {}
        for survey in self.known.values():
            for name in dict.fromkeys(map(_plain, survey.recognise.publishers)):
                out.setdefault(name, []).append(survey)
        return out

    def _only(self, by: Mapping[str, str], words: str) -> Recognised:
        if len(by) == 1:
            mission, told = next(iter(by.items()))
            return Recognised(self.known[mission], told)
        several = f"{' and '.join(self.known[mission].name for mission in by)} both claim it" if by else words
        return Recognised(None, several)


def _told_by(survey: Survey, places: Mapping[str, str], instruments: set[str], origin: str | None) -> str:
    """What says that an image is the survey's; empty where nothing does."""
    know = survey.recognise
    alone, beside, cameras = (
        {_plain(name) for name in names} for names in (know.observatories, know.telescopes, know.instruments)
    )
    telescope = places.get("TELESCOP", "")
    # a survey's name beside a telescope that is not its own is another survey of that name (ATLAS of ESO's VST)
    own = not telescope or telescope in alone | beside
    named = next((key for key, word in places.items() if word in alone and (own or key != "SURVEY")), None)
    if named:
        return named
    beside_by = next((key for key, word in places.items() if word in beside), None)
    if instruments & cameras:
        if beside_by:
            return f"{beside_by} and INSTRUME"
        if not places:
            return "INSTRUME"
    if beside_by and origin in alone:
        return f"{beside_by} and ORIGIN"
    return "ORIGIN" if origin in alone and not places and (not instruments or instruments & cameras) else ""


def has_field(packet: Any, name: str) -> bool:
    """Whether a packet has a field, dotted, whatever its value."""
    for part in name.split("."):
        if not isinstance(packet, Mapping) or part not in packet:
            return False
        packet = packet[part]
    return True


def _filled(value: Any) -> bool:
    return value is not None and bool(str(value).strip())


def _plain(name: Any) -> str:
    return " ".join(str(name).split()).casefold()


def surveys_of(described: Described = None) -> Surveys:
    """The surveys that a value of the configuration means.

    Args:
        described: null: the packaged ones; a name, or the path of a YAML file: that one alone; keys and values: the
            survey that they describe; a list of such: these beside the packaged ones.

    Raises:
        UserError: an unknown name, or a description that is wrong.
    """
    if described is None:
        return _packaged()
    key = json.dumps(described, sort_keys=True)
    if key not in _MADE:
        _MADE[key] = _of(described)
    return _MADE[key]


@cache
def _packaged() -> Surveys:
    return Surveys(packaged())


def _of(described: str | Mapping[str, Any] | list[Any]) -> Surveys:
    every = _packaged()
    if isinstance(described, list):
        own = [survey_of(said, f"the survey {said.get('name', '?')}") for said in described]
        return Surveys(_with(every.known, own))
    if isinstance(described, Mapping):
        chosen = survey_of(described, f"the survey {described.get('name', '?')}")
    elif is_file_name(described):
        chosen = read_survey(Path(described))
    else:
        chosen = every.named(described)
    return replace(every, known=_with(every.known, [chosen]), chosen=chosen)


def _with(known: Mapping[str, Survey], own: Iterable[Survey]) -> dict[str, Survey]:
    """Surveys and a user's own beside them; one of the same name and mission takes the place of a packaged one.

    Raises:
        UserError: a mission, a name or an alias that another survey has: it would mean either.
    """
    out = dict(known)
    for survey in own:
        names = {_plain(name) for name in (survey.name, survey.mission, *survey.aliases)}
        for other in out.values():
            if (_plain(other.name), other.mission) == (_plain(survey.name), survey.mission):
                continue
            shared = names & {_plain(name) for name in (other.name, other.mission, *other.aliases)}
            if shared:
                got = f"{', '.join(sorted(shared))} of {survey.name} and of {other.name}"
                raise UserError("a mission, name and aliases that no other survey has", got, f"rename {survey.name}'s")
        out[survey.mission] = survey
    return out


def is_file_name(value: str) -> bool:
    """Whether ``survey=`` names a file."""
    return value.endswith((".yaml", ".yml"))


def settled(value: Described, folders: Iterable[Path] = ()) -> Described:
    """A value that needs no file any more: what other machines and checkpoints hold.

    Args:
        value: as it was typed: a name, a file, or null.
        folders: that hold descriptions beyond the packaged ones, the first wins.

    Returns:
        A packaged survey's name as it is; the content of a description from a file; for null the content of all in
        the folders, or null where they have none.

    Raises:
        UserError: an unknown name, a file that is not there, or a description that is wrong.
    """
    own: dict[str, dict[str, Any]] = {}
    for folder in folders:
        here: dict[str, Path] = {}
        for path in sorted(folder.glob("*.yaml")):
            survey = survey_of(content(path), str(path))
            if here.setdefault(survey.mission, path) != path:
                got = f"{survey.mission} in {here[survey.mission].name} and in {path.name}"
                raise UserError(f"a mission of its own in each file of {folder}", got, "rename one of them")
            own.setdefault(survey.mission, content(path))
    every = surveys_of(list(own.values()))
    if value is None:
        return list(own.values()) or None
    if not isinstance(value, str):
        surveys_of(value)
        return value
    if is_file_name(value):
        survey_of(said := content(Path(value)), value)
        return said
    mission = every.named(value).mission
    return own.get(mission, value)
