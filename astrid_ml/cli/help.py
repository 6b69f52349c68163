"""Help that answers at once: it reads the configuration's folder, not Hydra."""

from __future__ import annotations

from pathlib import Path

from astrid_ml.cli.verbs.catalogue import Verb, all_verbs
from astrid_ml.config import option_names


def overview(conf: Path) -> str:
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
        "group=option picks one, key=value sets one, -m with commas sweeps.",
    ]
    return "\n".join(lines)


def of_verb(verb: Verb, conf: Path) -> str:
    """``astrid VERB --help``: the summary, an example, keys, groups and their options, experiments."""
    primary = (conf / f"{verb.config}.yaml").read_text(encoding="utf-8")
    runs = "- _run" in primary
    lines = [f"astrid {verb.name} key=value ...", "", verb.summary]
    if verb.example:
        lines += ["", f"  astrid {verb.name} {verb.example}"]
    keys = _keys(primary) + (_keys((conf / "_run.yaml").read_text(encoding="utf-8")) if runs else [])
    if keys:
        lines += ["", "Keys:", *(f"  {key}" for key in keys)]
    groups = _groups(primary + ((conf / "_run.yaml").read_text(encoding="utf-8") if runs else ""), conf)
    if groups:
        width = max(len(name) for name, _ in groups)
        lines += ["", "Choices (group=option):", *(f"  {name:<{width}}  {options}" for name, options in groups)]
    if runs:
        lines += ["", "Experiments (experiment=NAME):", *_experiments(conf)]
    lines += ["", f"astrid {verb.name} --cfg job prints the whole configuration; --info shows where it comes from."]
    return "\n".join(lines)


def _experiments(conf: Path) -> list[str]:
    rows = []
    for path in sorted((conf / "experiment").glob("[!_]*.yaml")):
        first = next(
            (
                line.lstrip("# ")
                for line in path.read_text(encoding="utf-8").splitlines()
                if line.startswith("#") and "astrid" not in line and "@package" not in line
            ),
            "",
        )
        rows.append(f"  {path.stem:<28}{first}")
    return rows


def _keys(text: str) -> list[str]:
    """Top-level keys of a primary configuration with their defaults and comments."""
    keys = []
    for line in text.splitlines():
        if line and line[0].isalpha() and not line.startswith(("defaults:", "hydra:", "command:")):
            keys.append(line)
        elif line.startswith("  ") and not line.startswith("  -") and keys and keys[-1].endswith(":"):
            keys[-1] = f"{keys[-1][:-1]}.{line.strip()}"
    return keys


def _groups(text: str, conf: Path) -> list[tuple[str, str]]:
    names = []
    for line in text.splitlines():
        entry = line.strip()
        if entry.startswith("- ") and ":" in entry and not entry.startswith(("- override", "- experiment")):
            names.append(entry[2:].split(":")[0].strip())
    groups = []
    for name in dict.fromkeys(names):
        options = option_names(conf / name)
        if options:
            groups.append((name, " ".join(options)))
        for slot in sorted(path for path in (conf / name).glob("*/*") if path.is_dir() and name == "preprocessing"):
            choices = " ".join(option_names(slot))
            groups.append((f"{name}/{slot.parent.name}/{slot.name}", choices))
    return groups
