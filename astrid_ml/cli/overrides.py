"""What a user types becomes what Hydra can read: paths are quoted, short forms are expanded."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from astrid_ml.cli.given import key_by_value, option_by_value, refuse_dotted, shorter_or_longer, takes, unknown_of_hydra
from astrid_ml.cli.typed import is_sweep, refuse_slot
from astrid_ml.cli.verbs.keys import FORMER, Keys, keys_of, overridden
from astrid_ml.config import option_names, refuse_no_name
from astrid_ml.errors import UserError
from astrid_ml.layers import Folder
from astrid_ml.nearest import nearest
from astrid_ml.typed_values import ELEMENT, elements_of, parses, quote, refuse_reference

# A value that Hydra reads as the text that it is; numbers are not among them.
_WORD = re.compile(r"^[A-Za-z_][\w./:-]*$")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
# What Hydra reads as something else than the name of an option.
_NO_TEXT = re.compile(r"[-+.\d][\d.eE+-]*|true|false|nan|[-+]?inf|[{('\"].*", re.IGNORECASE | re.DOTALL)
# What users of other programs type where paths.run_dir is due.
_FOLDER_OF_RUN = ("output_dir", "output", "out", "resume", "resume_from", "ckpt_path", "checkpoint")
_PLAIN_KEY = re.compile(r"^(\+{0,2})([A-Za-z_][\w./@-]*)=(.*)$", re.DOTALL)


def rewrite(arguments: Sequence[str], verb: str, conf: Folder) -> list[str]:
    """Rewrite the arguments of a verb for Hydra's parser.

    Values of keys that are files, folders or text are quoted, as their files in the configuration say it (a comment,
    or the type of the class's field): `epoch=3-step=4.ckpt`, `run (1)` and `a,b.fits` are no overrides.

    Args:
        arguments: as typed, after the verb.
        verb: the primary configuration's name.
        conf: the folder of the configuration.
    """
    rewriter = _Rewriter(verb, conf, arguments)
    return [rewriter.one(argument) for argument in arguments]


class _Rewriter:
    """Rewrites one argument after the other; the keys of the verb are read once, and only if a value needs it."""

    def __init__(self, verb: str, conf: Folder, arguments: Sequence[str]) -> None:
        self.verb, self.conf, self.words = verb, conf, arguments
        self.domain = domain_of(arguments, conf, verb)
        self.sweeps = is_sweep(arguments)

    @cached_property
    def keys(self) -> Keys:
        return keys_of(self.verb, self.conf)

    def one(self, argument: str) -> str:
        match = _PLAIN_KEY.match(argument)
        if match is None or argument.startswith("-"):
            return argument
        plus, key, value = match.groups()
        if self.verb == "sweep" and (key == SPACE or key.startswith(f"{SPACE}.")):
            raise not_typed(argument)
        if self.verb == "simulate" and key == "what":
            return f"simulate={option_of('simulate', value, self.conf, self.sweeps, typed='what')}"
        if key.startswith("preprocessing/"):
            refuse_slot(self.verb, key, value, self.conf)
            return f"{plus}{expand_slot(key, value, self.conf, self.domain)}={value}"
        if "/" in key or "@" in key:
            return argument
        key = self._present_name(key)
        if plus and re.fullmatch(r"hydra\.(run|sweep|job)\.\w+", key) and (wrong := unknown_of_hydra(key, self.verb)):
            raise wrong
        if not plus and (self.conf / key).is_dir():
            return f"{key}={self._option(key, value)}"
        refuse_dotted(key, value, self.conf, self.domain)
        node = self.keys.path_of_node(key)
        if node is not None and not value.startswith("{"):
            return f"{plus}{node}={self._places(node, value)}"
        if not plus and (self.keys.is_open(key) or (value.startswith("{") and any(k.is_open for k in self.keys[key]))):
            plus = "++"  # a node that takes any key: what it means is checked by whoever reads it
        written = self._value(key, value)
        if self.sweeps and self._waits(key) and "," not in written and not written.endswith(")"):
            written = f"choice({written})"  # so that Hydra sets it in the jobs alone, where its option is there
        return f"{plus}{key}={written}"

    def _waits(self, key: str) -> bool:
        """Whether a key may be one of an option that the sweep goes over: before the jobs another option is there."""
        return "experiment" in self._swept or any(key.startswith(f"{group}.") for group in self._swept)

    @cached_property
    def _swept(self) -> set[str]:
        """Groups of which several options are tried, by their places in the configuration."""
        chosen = choices_of(self.words, self.verb, self.conf)
        several = [group.partition("@")[0].split("/") for group, options in chosen.items() if len(options) > 1]
        return {parts[0] if len(parts) == 1 else f"{parts[0]}.{parts[-1]}" for parts in several}

    def _option(self, group: str, value: str) -> str:
        try:
            return option_of(group, value, self.conf, self.sweeps)
        except UserError:
            if group in self.keys.groups:
                raise
            raise unknown_key(group, self.keys, self.verb, self.words) from None

    def _present_name(self, key: str) -> str:
        """A key's name today, where it had another."""
        first, dot, rest = key.partition(".")
        return FORMER.get((self.verb, first), first) + dot + rest

    def _value(self, key: str, value: str) -> str:
        if value in ("null", ""):
            return value
        if key == "hydra.searchpath":
            if not value.startswith("["):
                raise UserError("a list of folders", f"{key}={value}", f"write '{key}=[{value}]'")
            return quote(value)
        if self.keys.is_path(key):
            return self._places(key, value)
        if _WORD.match(value) or not self.keys.is_text(key):
            return value
        if _NUMBER.fullmatch(value) and self.keys.takes_number(key):
            return value  # a number, or the path of a map
        refuse_reference(key, value)
        return value if self.sweeps and parses(f"{key}={value}") else quote(value, self._many(key, value))

    def _places(self, key: str, value: str) -> str:
        """A path, or several of a sweep with commas between them: a name that holds a comma stands in quotes."""
        refuse_reference(key.removesuffix(".path"), value)
        listed = value.startswith("[") and value.endswith("]") and "]" not in value[:-1]
        if listed and not self.keys.takes_list(key) and not os.path.lexists(value):
            shown = key.removesuffix(".path")
            raise UserError(f"one file or folder for {shown}", value, f"give one, without brackets: {shown}=PATH")
        parts = [part.strip() for part in ELEMENT.findall(value)]
        if self.sweeps and len(parts) > 1 and value[0] != "[" and not os.path.lexists(os.path.expanduser(value)):
            return ",".join(quote(part, many=False) for part in parts)
        return quote(value, self._many(key, value))

    def _many(self, key: str, value: str) -> bool:
        """Whether it is a list; the key's classes are asked, and so imported, only where it looks like one."""
        return value.startswith("[") and self.keys.takes_list(key)


def unknown_key(key: str, keys: Keys, verb: str, words: Sequence[str] = ()) -> UserError:
    """What to say of a key that the verb has not, or not with the options that are chosen.

    Args:
        key: as it was typed.
        keys: all of the verb.
        verb: the primary configuration's name.
        words: that were typed after the verb.
    """
    name = verb.replace("_", "-")
    live = Keys(verb, keys.conf, choices_of(words, verb, keys.conf))
    homes = {} if key in live.found else keys.homes(key)
    if homes:
        return UserError(f"a key of astrid {name} with the options that are chosen", key, _belongs(key, homes, verb))
    if key in live.found:
        got = f"{key}={{...}} with a key that it has not"
        return UserError(f"keys that {key} has", got, f"set them one by one, {key}.KEY=VALUE")
    if key.startswith("hydra") and (told := unknown_of_hydra(key, name)):
        return told
    ends = [known for known in live.names if "." not in key and key in _ends_of(known)]
    ends = [known for known in ends if takes(known, key, words, live)]
    if 0 < len(ends) < 4:
        return UserError(f"a key of astrid {name}", key, f"did you mean {' or '.join(ends)}?")
    if verb == "train" and key in _FOLDER_OF_RUN:
        fix = f"write paths.run_dir=FOLDER: a run is written there, and carries on there ({key} is no key)"
        return UserError(f"a key of astrid {name}", key, fix)
    meant = shorter_or_longer(key, live) or key_by_value(key, words, live)
    if close := meant or option_by_value(key, words, live, domain_of(words, keys.conf, verb)):
        return UserError(f"a key of astrid {name}", key, f"did you mean {close}?")
    near = _near(key, keys, live)
    meant = near.removeprefix("did you mean ").removesuffix("?")
    if meant and meant not in live.found:
        near = f"{near} {_belongs(meant, keys.homes(meant), verb)}".rstrip()
    return UserError(f"a key of astrid {name}", key, near or f"see astrid {name} --help")


SPACE = "sweep.space"


def not_typed(word: str) -> UserError:
    """What to say of a space among the words of a command: its names hold dots, and what is typed is added to a file's.

    Args:
        word: as it was typed.
    """
    fix = "write it into a file of your own, DIR/sweep/NAME.yaml: --config-dir=DIR sweep=NAME (docs/sweeps.md)"
    return UserError("sweep.space in a file", word, fix)


def _near(key: str, keys: Keys, live: Keys) -> str:
    """The nearest key; beside the keys of a node that there is, the nearest of these, else what the node has."""
    node, _, last = key.rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in keys.names if node and name.rpartition(".")[0] == node}
    if not beside:
        return nearest(key, (known for known in keys.names if known != key))
    initials = "".join(word[:1] for word in last.split("_"))  # lr for learning_rate
    if close := nearest(last, beside) or (f"did you mean {initials}?" if initials in beside else ""):
        return f"did you mean {node}.{close.removeprefix('did you mean ')}"
    now = [name for name in live.names if name.rpartition(".")[0] == node]
    return f"{node} has {', '.join(now[:8])}" if now else ""


def _ends_of(name: str) -> set[str]:
    """How a key may be shortened in haste: ``trainer.max_epochs`` to ``max_epochs`` and ``epochs``."""
    last = name.rpartition(".")[2]
    return {last, last.rpartition("_")[2]} if "." in name and not name.startswith("command.") else set()


def _belongs(key: str, homes: Mapping[str, Sequence[str]], verb: str) -> str:
    """Which options have a key, as they are typed; empty where none is known."""
    named = []
    for group, options in homes.items():
        typed, top = typed_group(group, verb)
        shown = ", ".join(options[:4]) + (", ..." if len(options) > 4 else "")
        named.append(f"{top + ' ' if top else ''}{typed}={shown}")
    return f"{key} belongs to {' and '.join(named)}: choose that, or leave the key out" if named else ""


def typed_group(group: str, verb: str) -> tuple[str, str]:
    """A group as a user types it, and what must be chosen for it to be there.

    >>> typed_group("simulate", "simulate"), typed_group("preprocessing/differencing/subtract", "train")
    (('what', ''), ('preprocessing/subtract', 'preprocessing=differencing'))
    """
    parts = group.split("/")
    if parts[0] == "preprocessing" and len(parts) == 3:
        return f"preprocessing/{parts[2]}", f"preprocessing={parts[1]}" if verb in ("train", "prepare") else ""
    return ("what" if (verb, group) == ("simulate", "simulate") else group), ""


def choices_of(words: Sequence[str], verb: str, conf: Folder) -> dict[str, list[str]]:
    """Group -> the options that the words choose, by themselves or by an experiment; several in a sweep.

    Args:
        words: that were typed after the verb.
        verb: the primary configuration's name.
        conf: the folder of the configuration.
    """
    given = [word.lstrip("+").partition("=") for word in words if "=" in word and not word.startswith("-")]
    typed: dict[str, list[str]] = {}
    for key, _, value in given:
        group = "simulate" if (verb, key) == ("simulate", "what") else key
        parts = group.split("/")
        if parts[0] == "preprocessing" and len(parts) == 2:
            group = f"preprocessing/{domain_of(words, conf, verb)}/{parts[1]}"
        if (conf / group.partition("@")[0]).is_dir():
            typed[group] = [part.strip() for part in value.strip("[]").split(",")]
    chosen = overridden(verb, conf)
    for experiment in typed.get("experiment", []):
        chosen |= overridden(f"experiment/{experiment}", conf)
    return chosen | typed


def option_of(group: str, value: str, conf: Folder, sweeps: bool = False, typed: str = "") -> str:
    """An option of a group as Hydra reads it: ``null`` and nothing at all mean ``none``.

    Args:
        group: of the option.
        value: as it was typed.
        conf: the folder of the configuration.
        sweeps: several may be given, with commas.
        typed: the key by which the user knows the group, where it is another.

    Raises:
        UserError: several options where one can be, what is no name, or ``null`` for a group that cannot be left out.
    """
    key = typed or group
    options = [name for name in option_names(conf / group) if (key, name) != ("what", "none")]
    wanted = f"{key}: one of {', '.join(options)}"
    refuse_no_name(key, value, options, group)
    if not sweeps and value[:1] != "{" and re.search(r"[^\w./,\[\]{}:~-]", value):
        raise UserError(wanted, value, nearest(value, options) or f"for instance {key}={options[0]}")
    if value.startswith("{"):
        raise UserError(wanted, value, f"choose one of them; keys of it are set one by one, {key}.KEY=VALUE")
    if value.startswith("[") or ("," in value and not sweeps):
        several = ",".join(elements_of(value) if value.startswith("[") else [part.strip() for part in value.split(",")])
        fix = f"choose one, or sweep over them with -m: -m {key}={several}"
        raise UserError(f"one option of {key}: {', '.join(options)}", value, fix)
    if _NO_TEXT.fullmatch(value) and value not in options:
        raise UserError(wanted, value, "choose one of them")
    if value not in ("null", "None", "~", ""):
        return value
    if "none" not in options:
        raise UserError(wanted, value or "nothing", "choose one of them")
    return "none"


def expand_slot(key: str, value: str, conf: Folder, domain: str | None) -> str:
    """``preprocessing/subtract`` -> ``preprocessing/differencing/subtract`` for the domain in use.

    Raises:
        UserError: the slot belongs to another domain, or the option does not exist; the fitting ones are listed.
    """
    parts = key.split("/")
    folder = conf / "preprocessing"
    if len(parts) == 2:
        if domain is None or not (folder / domain / parts[1]).is_dir():
            homes = sorted({path.parent.name for path in folder.glob(f"*/{parts[1]}") if path.is_dir()})
            slots = slots_of(domain, conf)
            raise UserError(
                f"a slot of the pipeline {domain!r}: {', '.join(slots) or 'it has none'}",
                f"{key} (a slot of {', '.join(homes) or 'no pipeline'})",
                nearest(parts[1], slots) or "choose a slot of the pipeline in use, or an experiment of that pipeline",
            )
        parts = [parts[0], domain, parts[1]]
    for part in parts[1:]:
        folder = folder / part
    options = option_names(folder)
    for option in (part.strip() for part in value.split(",")):
        if options and option not in options:
            fix = nearest(option, options) or "choose one of them"
            raise UserError(f"{key} to be one of {', '.join(options)}", option, fix)
    return "/".join(parts)


def slots_of(domain: str | None, conf: Folder) -> list[str]:
    """The slots of a pipeline: folders of options."""
    found = (conf / "preprocessing" / domain).glob("*") if domain else ()
    return sorted(path.name for path in found if path.is_dir())


def domain_of(arguments: Sequence[str], conf: Folder, verb: str = "") -> str | None:
    """The pipeline in use: from ``preprocessing=``, else from the experiment's file, else from the verb's default."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument and not argument.startswith("-"))
    if "preprocessing" in given:
        return given["preprocessing"]
    name = given.get("experiment")
    if name and (found := _pipeline_of_experiment(name, conf)):
        return found
    # A verb of one domain names its pipeline among its defaults; others inherit those of every run.
    for primary in (conf / f"{verb}.yaml", conf / "_run.yaml"):
        text = primary.read_text(encoding="utf-8") if primary.is_file() else ""
        if stated := re.search(r"^\s*- preprocessing:\s*(\w+)", text, re.MULTILINE):
            return stated.group(1)
    return None


def _pipeline_of_experiment(name: str, conf: Folder, seen: tuple[str, ...] = ()) -> str | None:
    """The pipeline that an experiment chooses: by itself, or by an experiment that it builds on."""
    path = conf / "experiment" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8") if path.is_file() and name not in seen else ""
    if stated := re.search(r"override\s+/preprocessing:\s*(\w+)", text):
        return stated.group(1)
    bases = re.findall(r"^\s*-\s+(?:/experiment/)?(\w+)\s*$", text, re.MULTILINE)
    return next((found for base in bases if (found := _pipeline_of_experiment(base, conf, (*seen, name)))), None)
