"""What Hydra and OmegaConf say of a user's input, as a message of ours."""

from __future__ import annotations

import re
from collections.abc import Sequence

from astrid_ml.cli.overrides import typed_group, unknown_key
from astrid_ml.cli.typed import WORDS
from astrid_ml.cli.verbs.catalogue import Verb
from astrid_ml.cli.verbs.keys import Keys, keys_of
from astrid_ml.cli.verbs.misfit import placeholder
from astrid_ml.config import option_names
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder
from astrid_ml.nearest import nearest
from astrid_ml.reasons import shortened
from astrid_ml.typed_values import unreadable

_AVAILABLE = re.compile(r"Available options in '[^']*':\n(.*?)(?:\nConfig search path|\Z)", re.DOTALL)


def explain(error: Exception, conf: Folder, verb: Verb, words: Sequence[str] = ()) -> UserError | None:
    """Turn Hydra's and OmegaConf's errors about a user's input into one clear message.

    Args:
        error: what they raised.
        conf: the folder of the configuration.
        verb: that was typed.
        words: that were typed after it.

    Returns:
        The message; None for an error that is not about the input.
    """
    import yaml
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import (
        GrammarParseError,
        InterpolationResolutionError,
        MissingMandatoryValue,
        OmegaConfBaseException,
    )

    text = str(error).strip()
    cause = str(error.__cause__ or "")
    if isinstance(error, MissingConfigException) and (found := re.search(r"Could not find '([^']+)'", text)):
        return _missing_option(found.group(1), text, conf, verb)
    if isinstance(error, OverrideParseException):
        key = str(error.override).partition("=")[0].lstrip("+")
        return unreadable(str(error.override), _usual(key, conf, verb))
    if "Ambiguous value for argument" in text:
        return _several(text, conf, verb)
    if found := re.search(r"Could not override '([^']+)'", text) or re.search(
        r"Key '([^']+)' is not in struct", text + cause
    ):
        return unknown_key(found.group(1), keys_of(verb.config, conf), verb.config, words)
    if isinstance(error, InterpolationResolutionError | GrammarParseError):
        return _unresolved(error, conf, verb, words)
    if isinstance(error, MissingMandatoryValue):
        found = re.search(r"full_key: ([\w.]+)", text) or re.search(r"[Mm]issing mandatory value:? ([\w.]+)", text)
        return missing_key(found.group(1) if found else "a key", conf, verb)
    if "Invalid plugin" in text:
        return UserError(
            "a launcher and a sweeper of Hydra's", text.splitlines()[0], "choose hydra/launcher= or leave it"
        )
    if isinstance(
        error, RecursionError
    ):  # of Hydra or OmegaConf: a file that takes itself in, or values that refer to themselves
        got = "a file that takes itself in, or values that refer to each other in a circle"
        return UserError("a configuration that ends", got, "look at defaults and ${...} of your own files")
    if isinstance(error, yaml.YAMLError):
        return UserError("YAML that can be read", shortened(" ".join(text.split()), 300), "correct that file")
    if found := re.search(r"Error merging override (\S+)|Sweeping over Hydra's \w+ is not supported : '(\S+)'", text):
        why = f": {cause.splitlines()[0]}" if cause else ""
        fix = "give another value" if found.group(1) else "give one value: only the keys of a job are swept over"
        return UserError("a value that this key takes", f"{found.group(1) or found.group(2)}{why}", fix)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return UserError("a configuration that can be composed", text.splitlines()[0], f"see astrid {verb.name} --help")
    return None


def explain_before(error: Exception, conf: Folder, verb: Verb, words: Sequence[str] = ()) -> UserError | None:
    """The same for an error before any job ran: a folder that Hydra could not make is the user's to change."""
    if isinstance(error, OSError) and error.filename is not None:
        got = f"{error.filename}: {error.strerror}"
        fix = "choose another folder, for instance paths.run_dir=runs/new, or paths.sweep_dir=runs/new with -m"
        return UserError("a folder that can be made for the results", got, fix)
    return explain(error, conf, verb, words)


def missing_key(key: str, conf: Folder, verb: Verb) -> UserError:
    """A key that the user must give, as it is typed: ``reference=FILE`` for ``reference.path``."""
    keys = Keys(verb.config, conf)
    value = next((name for declared in keys[key] if (name := placeholder(declared.comment))), "VALUE")
    node, _, last = key.rpartition(".")
    if key in WORDS.get(verb.config, ()):
        words = " ".join(word.upper() for word in WORDS[verb.config])
        told = next(declared.comment.partition(";")[0] for declared in keys[key])
        fix = f"for instance astrid {verb.name} {verb.example}; see astrid {verb.name} --help"
        return UserError(f"astrid {verb.name} {words}, {key.upper()}: {told}", f"no {key.upper()}", fix)
    typed = node if last == "path" and keys.path_of_node(node) == key else key
    return UserError(f"{typed}={value}", "nothing", f"add {typed}={value}; see astrid {verb.name} --help")


def _missing_option(name: str, text: str, conf: Folder, verb: Verb) -> UserError:
    group, _, option = name.rpartition("/")
    while "/" in group and not (conf / group).is_dir() and not group.startswith("hydra"):  # a path was given
        group, _, inner = group.rpartition("/")
        option = f"{inner}/{option}"
    typed = typed_group(group, verb.config)[0]
    listed = _AVAILABLE.search(text)
    known = sorted(line.strip() for line in listed.group(1).splitlines() if line.strip()) if listed else []
    known = [option for option in known if not option.startswith("_")] or option_names(conf / group)
    if not known:
        return UserError("a configuration that can be composed", f"{name}, which is not there", "see astrid --help")
    known = [name for name in known if (typed, name) != ("what", "none")]
    if "/" in option or option.endswith((".yaml", ".yml")):
        fix = f"give the name alone; --config-dir=FOLDER adds options of yours, FOLDER/{group}/NAME.yaml"
        return UserError(f"{typed}: one of {', '.join(known)}", option, fix)
    within = [name for name in known if option in name]
    fix = nearest(option, known) or (f"did you mean {within[0]}?" if len(within) == 1 else "choose one of them")
    return UserError(f"{typed or 'a configuration'}: one of {', '.join(known)}", option, fix)


def _usual(key: str, conf: Folder, verb: Verb) -> str:
    """A value of a key as its file writes it; empty where it takes any text, or nobody declares it."""
    keys = keys_of(verb.config, conf)
    plain = [known.value for known in keys[key] if isinstance(known.value, bool | int | float | list)]
    plain = [] if keys.is_text(key) else plain
    return str(plain[0]).lower().replace("'", "").replace(" ", "") if plain else ""


def _unresolved(error: Exception, conf: Folder, verb: Verb, words: Sequence[str]) -> UserError:
    """A reference ``${...}`` that cannot be worked out."""
    text = str(error)
    if found := re.search(r"Interpolation key '([^']+)' not found", text):
        if found.group(1) in keys_of(verb.config, conf).found:
            got = f"nothing, and other values refer to it (${{{found.group(1)}}})"
            fix = f"give {found.group(1)}={_usual(found.group(1), conf, verb) or 'VALUE'}"
            return UserError(f"a value of {found.group(1)}", got, fix)
        near = nearest(found.group(1), keys_of(verb.config, conf).names)
        fix = f"{near + ' ' if near else ''}or write the value itself; astrid {verb.name} --help lists the keys"
        got = f"${{{found.group(1)}}}, and no key of that name"
        return UserError("a reference to a key that there is", got, fix.removeprefix("or "))
    typed = [word.partition("=")[0].lstrip("+") for word in words if "${" in word]
    key = typed[0] if len(typed) == 1 else str(getattr(error, "full_key", "") or "a key")
    usual = _usual(key, conf, verb)
    fix = f"write the value itself, for instance {key}={usual}" if usual else f"write the value itself: {key}=VALUE"
    if found := re.search(r"Environment variable '([^']*)' not found", text):
        got = f"{key}=${{oc.env:{found[1]}}}, and no variable of that name"
        return UserError(f"the environment variable {found[1]}, to which {key} refers", got, f"set it first; or {fix}")
    if "Recursive interpolation" in text:
        return UserError(f"a value of {key}", "references that lead to themselves", fix)
    if found := re.search(r"Unsupported interpolation type (\S+)", text):
        got = f"${{{found[1]}:...}} in {key}"
        return UserError("a reference to a key, ${KEY}, or to the environment, ${oc.env:NAME}", got, fix)
    cause = text.splitlines()[0].partition("interpolation: ")[2] or "a reference that cannot be read"
    return UserError(f"a reference ${{...}} in {key} that can be worked out", cause, fix)


def _several(text: str, conf: Folder, verb: Verb) -> UserError:
    """``seed=1,2`` without ``-m``."""
    found = re.search(r"Ambiguous value for argument '([^=']+)=([^']*)'", text)
    key, value = (found.group(1).lstrip("+"), found.group(2)) if found else ("key", "a,b")
    fix = f"type the same words with -m to sweep over them: astrid {verb.name} -m {key}={value}"
    usual = [known.value for known in keys_of(verb.config, conf)[key]]
    if usual and isinstance(usual[0], float) and re.fullmatch(r"-?\d+,\d+", value):
        fix = f"write {key}={value.replace(',', '.')}, or {fix}"
    elif not (usual and isinstance(usual[0], bool | int | float)):
        fix += f"; or give a list: '{key}=[{value}]'"
    return UserError(f"one value of {key}", f"{key}={value}", fix)
