"""``survey=NAME`` and ``survey=FILE``: a file becomes its content, so that workers and checkpoints need no file."""

from __future__ import annotations

from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.layers import Folder, Layers
from astrid_ml.option_files import DESCRIPTIONS

KEY = "survey"
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
