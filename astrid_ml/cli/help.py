"""Help that answers at once: it reads the configuration's folder, not Hydra."""

from __future__ import annotations

import re
from collections.abc import Sequence

from astrid_ml.cli.verbs.catalogue import Verb, all_verbs
from astrid_ml.config import option_names
from astrid_ml.layers import Folder

_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)


def overview(conf: Folder) -> str:
    """``astrid --help``."""
    verbs = all_verbs(conf).values()
    width = max(len(verb.name) for verb in verbs)
    lines = ["astrid VERB key=value ...", "", "From raw astronomical files to an honest, calibrated classifier.", ""]
    lines += [f"  {verb.name:<{width}}  {verb.summary}" for verb in verbs]
    lines += ["", "Experiments (astrid train experiment=NAME):"]
    lines += _experiments(conf)
    lines += [
        "",
        "astrid VERB --help shows the keys and choices of a command. Every choice is a Hydra configuration:",
        "group=option picks one, key=value sets one, -m with commas sweeps; --config-dir=DIR adds options of your own.",
        "astrid completion bash|zsh|fish prints what makes the Tab key complete all of this.",
    ]
    return "\n".join(lines)


def of_verb(verb: Verb, conf: Folder, typed: Sequence[str] = ()) -> str:
    """``astrid VERB --help``: the summary, an example, keys, groups and their options, experiments.

    Args:
        verb: the command.
        conf: the folder of the configuration.
        typed: the other words; keys of the options that they choose are listed too.
    """
    primary = (conf / f"{verb.config}.yaml").read_text(encoding="utf-8")
    runs = "- _run" in primary
    lines = [f"astrid {verb.name} key=value ...", "", verb.summary]
    if verb.example:
        lines += ["", f"  astrid {verb.name} {verb.example}"]
    common = (conf / "_run.yaml").read_text(encoding="utf-8") if runs else ""
    keys = _mounted(primary, conf) + _keys(primary) + _keys(common)
    if keys:
        lines += ["", "Keys:", *(f"  {key}" for key in keys)]
    for word in typed:
        lines += _of_choice(word, conf)
    groups = [(name, " ".join(options)) for name, options in groups_of(verb, conf) if name != "experiment"]
    if groups:
        width = max(len(name) for name, _ in groups)
        lines += ["", "Choices (group=option):", *(f"  {name:<{width}}  {options}" for name, options in groups)]
    if runs:
        lines += ["", "Experiments (experiment=NAME):", *_experiments(conf)]
    lines += ["", f"astrid {verb.name} --cfg job prints the whole configuration; --info shows where it comes from."]
    return "\n".join(lines)


def _of_choice(word: str, conf: Folder) -> list[str]:
    """The keys of an option that is chosen on the line, ``what=pairs``."""
    group, _, option = word.partition("=")
    group = {"what": "simulate"}.get(group, group).lstrip("+")
    file = conf / group / f"{option}.yaml"
    if group == "experiment" or not option or not file.is_file():
        return []
    stated = _PACKAGE.search(file.read_text(encoding="utf-8"))
    place = stated.group(1) if stated else group.replace("/", ".")
    before = "" if place == "_global_" else f"{place}."
    keys = [f"  {before}{line}" for line in _option_keys(file).values()]
    return ["", f"Keys of {word}:", *keys] if keys else []


def _experiments(conf: Folder) -> list[str]:
    folder = conf / "experiment"
    return [f"  {name:<28}{described(folder / f'{name}.yaml')}" for name in option_names(folder)]


def described(option: Folder) -> str:
    """What an option says of itself: its first comment of words."""
    comments = (line.lstrip("# ") for line in option.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return next((line for line in comments if not line.startswith(("astrid ", "@package"))), "")


def _keys(text: str) -> list[str]:
    """Top-level keys of a primary configuration with their defaults and comments."""
    keys, node = [], ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if line and line[0].isalpha():
            node = "" if value.partition("#")[0].strip() else name
            if not node and name not in ("defaults", "hydra", "command"):
                keys.append(line)
        elif line.startswith("  ") and line[2].isalpha() and node not in ("", "defaults", "hydra", "command"):
            keys.append(f"{node}.{line.strip()}")
    return keys


def _mounted(text: str, conf: Folder) -> list[str]:
    """Keys of option files that stand under a name of their own: ``- frame@science: fits``."""
    keys = []
    for group, place, option in re.findall(r"^  - (\w+)@(\w+): (\w+)$", text, re.MULTILINE):
        lines = _option_keys(conf / group / f"{option}.yaml")
        keys += [f"{place}.{line}" for line in lines.values()]
    return keys


def _option_keys(file: Folder) -> dict[str, str]:
    """Key -> its line, of an option and of the options that it builds on."""
    text = file.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for base in re.findall(r"^  - ([a-z]\w*)$", text, re.MULTILINE):
        found |= _option_keys(file.with_name(f"{base}.yaml"))
    return found | {line.partition(":")[0]: line for line in _keys(text) if not line.startswith("_")}


def groups_of(verb: Verb, conf: Folder) -> list[tuple[str, list[str]]]:
    """Groups of a verb's defaults lists with their options; a verb of one domain has only the slots of that one."""
    primary = (conf / f"{verb.config}.yaml").read_text(encoding="utf-8")
    runs = "- _run" in primary
    text = primary + ((conf / "_run.yaml").read_text(encoding="utf-8") if runs else "")
    entries = re.findall(r"^  - (?!override)([\w/]+): (\w+)", text, re.MULTILINE)
    groups = []
    for name, chosen in dict(entries).items():
        options = option_names(conf / name)
        if options and (runs or name != "preprocessing"):
            groups.append((name, options))
        if name == "preprocessing":
            found = (conf / name).glob("*/*" if runs else f"{chosen}/*")
            slots = {slot.relative_to(conf / name).as_posix(): slot for slot in found if slot.is_dir()}
            groups += [(f"{name}/{slot}", option_names(slots[slot])) for slot in sorted(slots)]
    return groups
