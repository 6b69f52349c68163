"""The framework from a notebook: train, predict, load a checkpoint, open a prepared dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astrid_ml.asked import check_place, merged, predict
from astrid_ml.build import resolve
from astrid_ml.checkpoint.load import LoadedModel, load_model
from astrid_ml.config import in_use, option_names, refuse_no_name
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.notebook import Model
from astrid_ml.reasons import shortened
from astrid_ml.run.settings import PLAIN_NODES
from astrid_ml.typed_values import unreadable
from astrid_ml.values import example_of, fields_of, fits, words_of

__all__ = ["Model", "PreparedDataset", "compose", "load", "load_checkpoint", "merged", "predict", "train"]


def compose(*overrides: str) -> Any:
    """The configuration of ``astrid train`` with these overrides: ``compose("experiment=realbogus_sim")``.

    Raises:
        UserError: an override that cannot be; what Hydra says of it.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from astrid_ml.config import compose as compose_config

    if strange := [override for override in overrides if not isinstance(override, str)]:
        got = f"a {type(strange[0]).__name__} among them"
        raise UserError("overrides as texts, compose('a=1', 'b=2')", got, "give each as a text of its own")
    for group, _, value in (override.lstrip("+").partition("=") for override in overrides):
        if (in_use() / group).is_dir():
            refuse_no_name(group, value, option_names(in_use() / group))
    try:
        return compose_config("train", overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise _told(error, overrides) from error


def _told(error: Exception, overrides: Sequence[str]) -> UserError:
    """What Hydra says of an override, in our words."""
    from hydra.errors import OverrideParseException

    if isinstance(error, OverrideParseException):
        return unreadable(str(error.override))
    said = f"{error} {error.__cause__ or ''}".split("\nConfig search path")[0].split(" Available options")[0]
    if named := re.search(r"Could not find '([^']+)/([^'/]+)'", said):
        options = option_names(in_use() / named[1])
        fix = nearest(named[2], options) or "choose one of them"
        return UserError(f"{named[1]}: one of {', '.join(options)}", named[2], fix)
    wrong = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", said)
    if wrong:
        key = wrong[1] or wrong[2]
        fix = nearest(key, _keys([other for other in overrides if not other.startswith(f"{key}=")]))
        return UserError("overrides of astrid train: keys that there are", key, fix or "see astrid train --help")
    if several := re.search(r"Ambiguous value for argument '([^=']+)=([^']*)'", said):
        fix = f"give one; of a list, {several[1]}=[{several[2]}]"
        return UserError(f"one value of {several[1]}", f"{several[1]}={several[2]}", fix)
    got = shortened(" ".join(said.split("See https")[0].split()), 300)
    return UserError("overrides of astrid train", f"{got} ({', '.join(overrides)})", "give key=value each, as a text")


def _keys(overrides: Sequence[str]) -> list[str]:
    """The keys that there are beside the other overrides; none where these are wrong too."""
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from astrid_ml.config import compose as compose_config
    from astrid_ml.run.environment import flattened

    try:
        composed = OmegaConf.to_container(compose_config("train", overrides), resolve=False)
    except (HydraException, OmegaConfBaseException):
        return []
    assert isinstance(composed, dict)
    return [name for name, _ in flattened(composed)]


def train(cfg: Any) -> dict[str, Any]:
    """Run a training as ``astrid train`` does.

    Args:
        cfg: from :func:`compose`, or what a Hydra job receives.

    Returns:
        The content of ``metrics.json``; ``run_dir`` in it says where all else is.
    """
    from astrid_ml.build import plain
    from astrid_ml.run.training.train import train as run_train

    if not isinstance(cfg, Mapping) and not hasattr(cfg, "items"):
        raise UserError(
            "a configuration, as compose('experiment=...') makes it", f"a {type(cfg).__name__}", "compose one"
        )
    tree = plain(cfg)
    _refuse_misfits(tree)
    return run_train(tree)


def _refuse_misfits(tree: Mapping[str, Any]) -> None:
    """Refuse values of plain nodes (trainer, data, paths) before a class is built that takes one of them over."""
    for node, kind in PLAIN_NODES.items():
        values = tree.get(node) if node else tree
        for name, hint in fields_of(kind).items():
            if isinstance(values, Mapping) and name in values and not fits(values[name], hint, resolve):
                key = f"{node}.{name}" if node else name
                example = example_of(hint)
                fix = f"for instance {key}={example}" if example else "see astrid train --help"
                raise UserError(f"{key}: {words_of(hint)}", f"{key}={values[name]}", fix)


def load_checkpoint(path: str | Path, trust: Sequence[str] = ()) -> LoadedModel:
    """Load ``best.ckpt`` for scoring, without running anything that the file brings."""
    check_place("path", path)
    return load_model(Path(path), trust)


def load(path: str | Path, trust: Sequence[str] = ()) -> Model:
    """A checkpoint that predicts whatever it is given, and shows what it is.

    Args:
        path: ``best.ckpt``, or the folder of a run.
        trust: classes outside this project that the checkpoint may name.

    Raises:
        UserError: there is no checkpoint.
    """
    check_place("path", path)
    place = Path(path)
    own = place / "checkpoints" / "best.ckpt"
    return Model.open(own if place.is_dir() and own.is_file() else place, trust)
