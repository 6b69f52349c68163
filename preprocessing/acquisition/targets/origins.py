"""What catalogues of transients call their columns, and the JSON of the Open Supernova Catalog as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.found import why_unread
from astrid_ml.inflating import read_inflated

# Each role with the names that catalogues give it, in small letters; the first that is there counts.
ROLES: Mapping[str, tuple[str, ...]] = {
    "name": ("sn_name", "name", "iau_name", "iauid", "event", "objname", "object_name", "object", "id", "objid"),
    "ra": (
        "sn_ra", "ra", "r.a.", "raj2000", "_raj2000", "ra_icrs", "ra_deg", "radeg", "right_ascension", "meanra",
        "ramean", "ra_sn",
    ),
    "dec": (
        "sn_dec", "dec", "dec.", "decl", "declination", "dej2000", "decj2000", "_dej2000", "de_icrs", "dec_deg",
        "decdeg", "dedeg", "meandec", "decmean", "dec_sn",
    ),
    "discovered": (
        "disc_date", "discoverydate", "discovery date (ut)", "discovery_date", "discoverdate", "disc. date",
        "discovery date", "discovery_mjd", "discovered", "disc_mjd", "date",
    ),
    "type": ("sn_type", "type", "obj. type", "claimedtype", "object_type", "spec_type", "sntype", "class"),
    "host": ("gal_name", "hostname", "host name", "host_name", "host", "host_galaxy", "galaxy"),
    "mag": (
        "sn_mag", "discoverymag", "discovery mag/flux", "discovery_mag", "maxappmag", "m_max", "mmax", "peak_mag",
        "mag",
    ),
    "redshift": ("redshift", "z", "z_helio", "zhel"),
}  # fmt: skip
REQUIRED = ("name", "ra", "dec", "discovered")


def roles_of(
    path: Path,
    names: Iterable[str],
    given: Mapping[str, str | None],
    roles: Mapping[str, tuple[str, ...]] = ROLES,
    required: Sequence[str] = REQUIRED,
) -> dict[str, str]:
    """Which column plays which role.

    Args:
        path: of the catalogue, for messages.
        names: its columns.
        given: role -> column that the user names; None where the names above are looked for.
        roles: each with its usual names.
        required: roles without which it is no such table.

    Raises:
        UserError: no column of a role that is needed, a role that is none, or a column that is named and not there.

    Example:
        >>> roles_of(Path("t.csv"), ["Name", "RA", "DEC", "Discovery Date (UT)"], {})["discovered"]
        'Discovery Date (UT)'
    """
    there = [str(name) for name in names]
    unknown = sorted(set(given) - set(roles))
    if unknown:
        raise UserError(f"columns of {', '.join(roles)}", f"one of {unknown[0]}", "name the role as it is called here")
    small = {name.strip().casefold(): name for name in reversed(there)}
    out = {}
    for role, usual in roles.items():
        wanted = given.get(role)
        if wanted is not None:
            if wanted not in there:
                shown = ", ".join(there[:12])
                raise UserError(f"the column {wanted} ({role})", f"{path} with {shown}", "name one that is there")
            out[role] = wanted
        else:
            found = next((small[name] for name in usual if name in small), None)
            if found is not None:
                out[role] = found
    absent = [role for role in required if role not in out]
    if absent:
        raise UserError(
            f"a catalogue with columns of {', '.join(required)}",
            f"{path} without {', '.join(absent)} (it has {', '.join(there[:12]) or 'no column'})",
            "name its columns (columns of the catalogue), or give another table",
        )
    return out


def is_json(path: Path) -> bool:
    """Whether a file begins as JSON does."""
    with path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def open_supernovae(path: Path) -> pd.DataFrame:
    """Events of the Open Supernova Catalog: its list of all (``catalog.json``), or one event (``SN2014J.json``).

    Each quantity is a list of ``{"value": ..., "source": ...}``, best first; the first value counts.

    Args:
        path: the file.

    Returns:
        A row an event: columns as the catalogue calls them, texts.

    Raises:
        UserError: no JSON, or none of events.
    """
    try:
        said = json.loads(read_inflated(path).decode("utf-8-sig"))
    except UserError:
        raise
    except (ValueError, RecursionError, OSError) as error:
        raise UserError("a catalogue of transients", why_unread(path, "JSON", error), "get it again") from error
    events = said if isinstance(said, list) else _named(said) if isinstance(said, dict) else []
    rows = [{key: _value(value) for key, value in event.items()} for event in events if isinstance(event, Mapping)]
    if not rows:
        got = f"{path}: JSON without events"
        raise UserError("events of the Open Supernova Catalog, each with name, ra, dec, discoverdate", got, "check it")
    return pd.DataFrame(rows, dtype="string")


def _named(said: Mapping[str, Any]) -> list[Any]:
    """Events that stand below their names; or one event alone."""
    if "ra" in said and "dec" in said:
        return [said]
    return [{"name": name, **event} for name, event in said.items() if isinstance(event, Mapping)]


def _value(content: Any) -> str | None:
    first = content[0] if isinstance(content, list) and content else content
    if isinstance(first, Mapping):
        first = first.get("value")
    if isinstance(first, list) and first:
        first = first[0]  # [["09:55:42.14", "hours"]], as its interface answers
    return None if first is None or isinstance(first, list | Mapping) else str(first)
