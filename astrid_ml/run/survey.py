"""``survey=NAME`` and ``survey=FILE``: a file becomes its content, so that workers and checkpoints need no file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.layers import Folder, Layers
from astrid_ml.option_files import DESCRIPTIONS
from astrid_ml.printable import printable
from astrid_ml.ranks import first_process

KEY = "survey"
FRAMES = ("science", "reference")  # nodes of verbs that read images
JD, LAST = 2400000.5, 200000  # of MJD 0; the year 2406
REFERENCE = "${oc.select:survey"  # how options ask for the value


def settle_given(cfg: Any, conf: Folder) -> None:
    """What was said of a command's raw files: its survey becomes content, schemas must have a reader.

    Args:
        cfg: composed.
        conf: the folders of options.

    Raises:
        UserError: see :func:`settle_survey` and :func:`refuse_unread_schemas`.
    """
    settle_survey(cfg, conf)
    refuse_unread_schemas(cfg)
    for side in FRAMES:
        settle_frame(cfg, side)


def settle_frame(cfg: Any, side: str) -> None:
    """Give the mission that was named for an image its one name; refuse a misspelt one and a date that is a JD.

    A mission that nobody knows may be a new one of the user's: that is said, and it goes on.

    Args:
        cfg: composed.
        side: ``science`` or ``reference``.

    Raises:
        UserError: a name that is nearly a known one's, or a date of another scale.
    """
    frame = cfg.get(side)
    date, mission = (frame.get("mjd"), frame.get("mission")) if isinstance(frame, Mapping) else (None, None)
    if isinstance(date, int | float) and date > LAST:
        is_jd = 0 < date - JD <= LAST
        fix = f"write {side}.mjd={date - JD:.10g}" if is_jd else f"for instance {side}.mjd=60000.5"
        got = f"{side}.mjd={date:.10g}{', which is a JD' if is_jd else ''}"
        raise UserError(f"{side}.mjd: a number from 0 to {LAST} in d (JD - {JD})", got, fix)
    if not isinstance(mission, str) or not mission.strip():
        return
    from astrid_ml.missions import canonical, is_known, misspelt, names_of_missions  # pandas with it

    if fix := "" if is_version(mission) else misspelt(mission):
        meant = canonical(fix.removeprefix("did you mean ").removesuffix("?"))
        got = f"{side}.mission={mission}"
        raise UserError(
            f"{side}.mission: {', '.join(names_of_missions())}, or one of your own",
            got,
            f"write {side}.mission={meant}",
        )
    if not is_known(mission) and cfg.get(KEY) is None and first_process():
        said = f"{side}.mission={mission} is no mission that is known here: survey=FILE says what its files mean"
        print(printable(f"astrid: {said}"), file=sys.stderr)
    frame["mission"] = canonical(mission)


def is_version(mission: str) -> bool:
    """Whether a name is a known one with more behind it, as a mission of the user's own may have: ``ztf2``.

    >>> is_version("ztf2"), is_version("zft")
    (True, False)
    """
    from astrid_ml.missions import names_of_missions

    return any(mission.strip().lower().startswith(name) for name in names_of_missions())


def refuse_unread_schemas(cfg: Any) -> None:
    """Refuse ``schemas=`` where nothing of a command reads packets.

    Args:
        cfg: composed.

    Raises:
        UserError: it was given, and nothing reads it.
    """
    if cfg.get("schemas") is None:
        return
    from omegaconf import OmegaConf

    raw = OmegaConf.to_container(cfg, resolve=False)
    if isinstance(raw, dict) and "reader" not in raw and "${oc.select:schemas" not in str(raw):
        got = f"schemas={cfg.schemas}, which nothing here reads"
        raise UserError("schemas= where packets are read", got, "leave out schemas")


def settle_survey(cfg: Any, conf: Folder) -> None:
    """Put the descriptions of surveys that a command uses into its configuration.

    Args:
        cfg: composed.
        conf: the folders of options; those of plug-ins and of ``--config-dir`` may hold descriptions in ``surveys/``.

    Raises:
        UserError: an unknown survey, a description that is wrong, or a command that reads no images and no packets.
    """
    if KEY not in cfg:
        return
    folders = [place for place in (conf / DESCRIPTIONS).places() if place.is_dir()] if isinstance(conf, Layers) else []
    if cfg[KEY] is None and not folders:
        return
    from omegaconf import OmegaConf

    from astrid_ml.preprocessing.surveys.registry import settled

    raw = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(raw, dict)
    used = "reader" in raw or f"${{{KEY}}}" in str(raw) or REFERENCE in str(raw)
    if not used and cfg[KEY] is not None:
        fix = f"leave out {KEY}"
        raise UserError("survey= where images or packets are read", f"{KEY}={cfg[KEY]}, which nothing here reads", fix)
    if used:
        cfg[KEY] = settled(raw[KEY], folders)
