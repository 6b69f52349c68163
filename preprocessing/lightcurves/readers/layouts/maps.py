"""ColumnMaps of columns: what a user writes of tables that nobody else described, and what was guessed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.lightcurves.readers.layouts.documents import PACKET
from astrid_ml.preprocessing.lightcurves.readers.layouts.guess import Guess, guesses, shown
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import ROLES, FileForm, TableLayout, layouts
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import Rows, form_of, known_layout, look_at
from astrid_ml.preprocessing.surveys.describe import content, made
from astrid_ml.preprocessing.surveys.registry import packaged
from astrid_ml.walk import walk

GUESS = "guess"
_FORMS = ["table", "json", "text", "avro"]
_SHOWN = (
    "time",
    "time_zero",
    "time_scale",
    "time_of",
    "survey",
    "band",
    "zero_point",
    "flux_kind",
    "system",
    "detections",
)
_HIDDEN = ("source", "known_by", "said", "lists", "limits")


@dataclass(frozen=True)
class ColumnMaps:
    """Layouts that a user gives, the first that fits is taken.

    Args:
        layouts: of maps.
    """

    layouts: tuple[TableLayout, ...] = ()

    def that_fit(self, rows: Rows) -> tuple[TableLayout, ...]:
        """Those of some rows: the first; where it tells their filter, those of other filters and columns that fit too.

        Args:
            rows: of a table.
        """
        fitting = [one for one in self.layouts if not lacking_in(one, rows)]
        found: dict[str | None, TableLayout] = {one.band: one for one in fitting[:1]}
        measured = {_measured(one, rows) for one in fitting[:1]}
        for one in fitting[1:] if None not in found else ():
            if one.band is not None and one.band not in found and (column := _measured(one, rows)) not in measured:
                found[one.band] = one
                measured.add(column)
        return tuple(found.values())


NO_MAPS = ColumnMaps()


def maps_of(given: str | Mapping[str, Any] | None) -> ColumnMaps:
    """The maps in a file, or that plain containers say.

    Args:
        given: a path, or keys and values; null for none.

    Raises:
        UserError: no such file, no YAML, or a field that is unknown, absent or of another kind.

    Example:
        >>> columns = {"time": "t", "band": "f", "flux": "y", "flux_err": "dy"}
        >>> maps_of({"columns": columns, "time": "mjd", "zero_point": 25}).layouts[0].columns["flux"]
        ('y',)
    """
    if given is None or given == GUESS:
        return NO_MAPS
    where = given if isinstance(given, str) else "columns"
    said = content(Path(given)) if isinstance(given, str) else dict(given)
    several = said.get("layouts")
    parts = several if isinstance(several, list) else [said]
    return ColumnMaps(tuple(_made(part, where) for part in parts))


def _made(said: Any, where: str) -> TableLayout:
    if not isinstance(said, Mapping) or not isinstance(said.get("columns"), Mapping):
        got = "none" if isinstance(said, Mapping) else type(said).__name__
        fix = "columns=guess writes one to begin with; docs/layouts.md"
        raise UserError(f"a map of columns in {where}: columns: {{time: ..., filter: ..., flux: ...}}", got, fix)
    columns = {_role(str(role), where): _listed(names) for role, names in said["columns"].items() if names}
    plain = {key: value for key, value in said.items() if key != "columns" and value is not None}
    if isinstance(plain.get("survey"), str):  # as it is written of the objects: TESS
        plain["survey"] = {known.name.lower(): name for name, known in packaged().items()}.get(
            plain["survey"].lower(), plain["survey"].lower()
        )
    numbers = {
        key: float(value) for key, value in plain.items() if key in ("zero_point", "time_zero") and _is_number(value)
    }
    layout = made(
        TableLayout, {"name": "a map of columns", "files": _FORMS, **plain, **numbers, "columns": columns}, where
    )
    _refuse(layout, where)
    return layout


def _role(role: str, where: str) -> str:
    usual = {"band": "filter", "magerr": "mag_err", "fluxerr": "flux_err", "zp": "zero_point", "id": "object"}.get(
        role, role
    )
    if usual not in ROLES:
        fix = nearest(usual, ROLES) or f"one of {', '.join(ROLES)}"
        raise UserError(f"columns in {where} by what they hold", role, fix)
    return usual


def _listed(names: Any) -> list[str]:
    return [str(name) for name in names] if isinstance(names, list | tuple) else [str(names)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(layout: TableLayout, where: str) -> None:
    has = set(layout.columns)
    lacks = [
        *(["time"] if not has & {"time", "join"} else []),
        *(["filter, or band: NAME for all rows"] if "filter" not in has and layout.band is None else []),
        *(["flux or mag"] if not has & {"flux", "mag", "limit"} else []),
        *(["flux_err"] if "flux" in has and "flux_err" not in has else []),
        *(["mag_err"] if "mag" in has and "flux" not in has and "mag_err" not in has else []),
    ]
    if lacks:
        raise UserError(
            f"columns in {where}: time, filter, flux or mag, and its error", f"no {'; no '.join(lacks)}", "add it"
        )
    if layout.survey is not None and layout.survey not in packaged():
        fix = nearest(layout.survey, packaged()) or f"one of {', '.join(sorted(packaged()))}"
        raise UserError(f"survey in {where} that is known", layout.survey, fix)
    if layout.time == "days" and layout.time_zero is None and not layout.zero_keys:
        raise UserError(f"time_zero in {where}: the Julian date of day 0", "none", "for instance time_zero: 2457000")


@dataclass(frozen=True)
class Shown:
    """What would be made of a file.

    Args:
        layout: known, or as it is guessed.
        lacks: what nothing tells.
        unused: columns that nothing uses.
        known: whether the layout is a known one.
    """

    layout: TableLayout
    lacks: tuple[str, ...]
    unused: tuple[str, ...]
    known: bool


def shown_of(path: Path, maps: ColumnMaps = NO_MAPS, meant: bool = True) -> tuple[Shown, ...]:
    """What would be made of a file, one for each filter that has its own columns; none where it holds no rows.

    Args:
        path: of the file.
        maps: the user's.
        meant: only where so much is there that light curves are meant.
    """
    form = form_of(path)
    best: tuple[Shown, ...] = ()
    named = next((one.names for one in maps.layouts if one.names), ())
    for rows in look_at(path, named):
        told = maps.that_fit(rows) or known_layouts(rows, form)
        if told:
            used = {name for one in told for names in one.columns.values() for name in names}
            rest = tuple(str(n) for n in rows.table if str(n) not in {*used, PACKET})
            return tuple(Shown(_narrowed(one, rows), (), rest, True) for one in told)
        found = guesses(rows)
        near = not meant and bool({"time", "flux", "mag"} & set(found[0].layout.columns))
        if (found[0].meant or near) and (not best or len(found[0].lacks) < len(best[0].lacks)):
            best = tuple(Shown(one.layout, _with_zero(one, rows), one.unused, False) for one in found)
    return best


def _with_zero(found: Guess, rows: Rows) -> tuple[str, ...]:
    columns, layout = found.layout.columns, found.layout
    if "flux" not in columns or "zero_point" in columns or layout.zero_point is not None:
        return found.lacks
    return (*found.lacks, f"the zero point of {columns['flux'][0]} (zero_point: 31.4 for nJy, 23.9 for uJy)")


def lacking_in(layout: TableLayout, rows: Rows) -> str:
    """What rows lack of a user's map; empty where it fits them.

    Columns that name objects or limits must be there too: without them others would be meant.

    Args:
        layout: of the map.
        rows: of a table.
    """
    try:
        found = layout.roles(rows.names)
    except ValueError as error:
        return str(error)
    lost = [role for role in ("object", "is_limit") if role in layout.columns and role not in found]
    return f"{layout.name} without the column {', '.join(layout.columns[lost[0]])}" if lost else ""


def known_layouts(rows: Rows, form: FileForm | None) -> tuple[TableLayout, ...]:
    """The known layout of some rows, with those of its name that describe the columns of other filters beside it."""
    best = known_layout(rows, form)
    if best is None:
        return ()
    beside = [
        one for one in layouts() if one.name == best.name and one is not best and one.fits(rows.names, rows.about)
    ]
    return (best, *ColumnMaps((best, *beside)).that_fit(rows)[1:])


def _measured(layout: TableLayout, rows: Rows) -> str:
    roles = layout.roles(rows.names)
    return roles.get("flux") or roles.get("mag") or roles["limit"]


def why_no_map(path: Path, maps: ColumnMaps) -> str:
    """Why no map of the user's fits a file: of the nearest one the column that is not there; empty without maps.

    Args:
        path: of the file.
        maps: the user's.
    """
    if form_of(path) is None:
        return ""
    why = [
        f"{lack} (it has {shown(rows.names)})"
        for layout in maps.layouts
        for rows in look_at(path, layout.names)
        if (lack := lacking_in(layout, rows))
    ]
    return min(why, key=lambda words: words.count(";"), default="")


def _narrowed(layout: TableLayout, rows: Rows) -> TableLayout:
    """A layout with the columns that are there alone."""
    from dataclasses import replace

    try:
        return replace(layout, columns={role: (name,) for role, name in layout.roles(rows.names).items()})
    except ValueError:
        return layout


def as_text(said: Shown, files: list[str]) -> str:
    """A map as YAML, to be read and changed; comments say what it lacks.

    Args:
        said: what would be made of them.
        files: of which it holds.
    """
    import yaml

    layout = said.layout
    kind = layout.name if said.known else "guessed by the names of columns"
    lines = [f"# {shown(files, 5)}: {kind}"]
    lines += [f"# lacking: {lack}" for lack in said.lacks]
    lines += [f"# not used: {shown(list(said.unused), 30)}"] if said.unused else []
    plain: dict[str, Any] = {
        "columns": {role: names[0] if len(names) == 1 else list(names) for role, names in layout.columns.items()}
    }
    defaults = {one.name: one.default for one in fields(TableLayout)}
    for name in (one.name for one in fields(TableLayout)):
        value = getattr(layout, name)
        if name in ("name", "files", "columns", *_HIDDEN):
            continue
        if name in _SHOWN or (value not in ({}, (), None) and value != defaults[name]):
            plain[name] = _plain(value)
    return "\n".join([*lines, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def maps_in(places: Sequence[Path], maps: ColumnMaps = NO_MAPS) -> tuple[list[str], dict[str, int]]:
    """What would be made of all files of some places: a map for each that is another one, and counts.

    Args:
        places: files and folders.
        maps: the user's.

    Returns:
        Texts of YAML, those that are guessed first; numbers of files that are known, guessed, and lack something.
    """
    found: dict[tuple[Any, ...], tuple[Shown, list[str]]] = {}
    files = [path for place in places for path in walk(place)]
    for meant in (True, False):  # a map that lacks almost all helps more than none
        for path in files if not found else ():
            for said in shown_of(path, maps, meant):
                found.setdefault((str(said.layout), said.lacks), (said, []))[1].append(path.name)
    each = sorted(found.values(), key=lambda pair: pair[0].known)
    counts = {
        "files_of_known_layouts": sum(len(files) for said, files in each if said.known),
        "files_guessed": sum(len(files) for said, files in each if not said.known and not said.lacks),
        "files_that_lack_something": sum(len(files) for said, files in each if said.lacks),
    }
    return [as_text(said, files) for said, files in each], counts


def as_file(texts: Sequence[str]) -> str:
    """ColumnMaps as one file: one as it is, several below ``layouts``."""
    if len(texts) == 1:
        return texts[0]
    parts = []
    for text in texts:
        comments = [line for line in text.splitlines() if line.startswith("#")]
        first, *others = [line for line in text.splitlines() if line and not line.startswith("#")]
        parts += [*comments, f"- {first}", *(f"  {line}" for line in others)]
    return "\n".join(["layouts:", *parts, ""])
