"""What Hydra and OmegaConf say of a user's input, as a message of ours."""

from __future__ import annotations

import re

from astrid_ml.cli.keys import Keys
from astrid_ml.cli.overrides import unknown_key
from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.config import option_names
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder
from astrid_ml.nearest import nearest

_AVAILABLE = re.compile(r"Available options in '[^']*':\n(.*?)(?:\nConfig search path|\Z)", re.DOTALL)
# How a comment of the configuration begins -> what stands for the value in a message.
_PLACEHOLDERS = (
    (re.compile(r"files? (or|and) folders?"), "FILE_OR_FOLDER"),
    (re.compile(r"folders"), "'[FOLDER,FOLDER]'"),
    (re.compile(r"file"), "FILE"),
    (re.compile(r"folder"), "FOLDER"),
)


def explain(error: Exception, conf: Folder, verb: Verb) -> UserError | None:
    """Turn Hydra's and OmegaConf's errors about a user's input into one clear message.

    Args:
        error: what they raised.
        conf: the folder of the configuration.
        verb: that was typed.

    Returns:
        The message; None for an error that is not about the input.
    """
    import yaml
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    text = str(error).strip()
    cause = str(error.__cause__ or "")
    if isinstance(error, MissingConfigException) and (found := re.search(r"Could not find '([^']+)'", text)):
        return _missing_option(found.group(1), text, conf)
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if "Ambiguous value for argument" in text:
        return _several(text)
    if found := re.search(r"Could not override '([^']+)'", text) or re.search(
        r"Key '([^']+)' is not in struct", text + cause
    ):
        return _unknown(found.group(1), conf, verb)
    if found := re.search(r"Interpolation key '([^']+)' not found", text + cause):
        got = f"nothing, and other values refer to it (${{{found.group(1)}}})"
        return UserError(f"a value of {found.group(1)}", got, f"give {found.group(1)}= a value, or check that name")
    if isinstance(error, MissingMandatoryValue):
        found = re.search(r"full_key: ([\w.]+)", text) or re.search(r"[Mm]issing mandatory value:? ([\w.]+)", text)
        return missing_key(found.group(1) if found else "a key", conf, verb)
    if "Invalid plugin" in text:
        return UserError(
            "a launcher and a sweeper of Hydra's", text.splitlines()[0], "choose hydra/launcher= or leave it"
        )
    if isinstance(error, yaml.YAMLError):
        return UserError("YAML that can be read", " ".join(text.split())[:300], "correct that file")
    if isinstance(error, HydraException | OmegaConfBaseException):
        return UserError("a configuration that can be composed", text.splitlines()[0], f"see astrid {verb.name} --help")
    return None


def explain_before(error: Exception, conf: Folder, verb: Verb) -> UserError | None:
    """The same for an error before any job ran: a folder that Hydra could not make is the user's to change."""
    if isinstance(error, OSError) and error.filename is not None:
        got = f"{error.filename}: {error.strerror}"
        return UserError("a folder that can be made for the results", got, "choose another paths.run_dir or sweep_dir")
    return explain(error, conf, verb)


def missing_key(key: str, conf: Folder, verb: Verb) -> UserError:
    """A key that the user must give, as it is typed: ``reference=FILE`` for ``reference.path``."""
    keys = Keys(verb.config, conf)
    value = next((name for declared in keys[key] if (name := placeholder(declared.comment))), "VALUE")
    node, _, last = key.rpartition(".")
    typed = node if last == "path" and keys.path_of_node(node) == key else key
    return UserError(f"{typed}={value}", "nothing", f"add {typed}={value}; see astrid {verb.name} --help")


def placeholder(comment: str) -> str:
    """What stands for a value, by the comment of its key; empty where the comment does not say.

    >>> placeholder("file: checkpoints/best.ckpt of a run"), placeholder("of the network")
    ('FILE', '')
    """
    return next((name for kind, name in _PLACEHOLDERS if kind.match(comment)), "")


def _missing_option(name: str, text: str, conf: Folder) -> UserError:
    group, _, option = name.rpartition("/")
    listed = _AVAILABLE.search(text)
    known = sorted(line.strip() for line in listed.group(1).splitlines() if line.strip()) if listed else []
    known = [option for option in known if not option.startswith("_")] or option_names(conf / group)
    if not known:
        return UserError("a configuration that can be composed", f"{name}, which is not there", "see astrid --help")
    fix = nearest(option, known) or "choose one of them"
    return UserError(f"{group or 'a configuration'}: one of {', '.join(known)}", option, fix)


def _unreadable(error: Exception) -> UserError:
    return UserError(
        "key=value, with quotes around values that hold special characters",
        str(error).strip().splitlines()[0],
        "quote it, for instance 'key=\"a b\"'",
    )


def _several(text: str) -> UserError:
    """``seed=1,2`` without ``-m``."""
    found = re.search(r"Ambiguous value for argument '([^=']+)=([^']*)'", text)
    key, value = (found.group(1), found.group(2)) if found else ("key", "a,b")
    fix = f"sweep over them: astrid VERB -m {key}={value}; or give a list: '{key}=[{value}]'"
    return UserError(f"one value of {key}", f"{key}={value}", fix)


def _unknown(key: str, conf: Folder, verb: Verb) -> UserError:
    return unknown_key(key, Keys(verb.config, conf), verb.config)
