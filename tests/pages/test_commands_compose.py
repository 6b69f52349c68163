"""Every command that a page names, in a block, a table or a sentence, is made of options and keys that exist."""

from __future__ import annotations

import re
import shlex
from functools import cache

import pytest
from blocks import BY, FENCE, PAGES, REPOSITORY, blocks
from hydra.core.global_hydra import GlobalHydra

from astrid_ml.build import conf_folder
from astrid_ml.cli.overrides import rewrite
from astrid_ml.cli.typed import WORDS, named
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.config import compose

COMMAND = re.compile(r"(?:astrid|python -m astrid_ml) [a-z]|python (?:train|predict)\.py \S")
# What starts a command elsewhere: SLURM, a container.
BEFORE = re.compile(r"^(?:srun |docker run .*? (?=astrid ))")
# Words that stand for what the reader puts there; VERB stands for any command.
ANYTHING = {"...", "key=value", "GROUP=null"}


@cache
def commands(page: str) -> list[str]:
    """What starts as a command does: in spans of code, and line by line in the blocks to be typed."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCE.sub("", text))]
    lines = [line for block in blocks(page) for line in block.text.replace("\\\n", " ").splitlines()]
    lines = [BEFORE.sub("", line) for line in lines]
    return [" ".join(shown.split()) for shown in (*spans, *lines) if COMMAND.match(shown) and "VERB" not in shown]


def words_of(command: str) -> tuple[str, list[str]]:
    """(verb, words of the command line) of what a page shows; of the values of a sweep the first."""
    words = shlex.split(command, comments=True)
    if words[0] == "python":
        verb, rest = (words[3], words[4:]) if words[1] == "-m" else (words[1].removesuffix(".py"), words[2:])
    else:
        verb, rest = words[1], words[2:]
    sweeps = "-m" in rest
    # <name> stands for a name of the reader's; --cfg job prints what is composed.
    kept = [word for word in rest if word not in {*ANYTHING, "job"} and not word.startswith("-") and "<" not in word]
    return verb, [word.split(",")[0] if sweeps and "[" not in word else word for word in kept]


def test_the_pages_name_commands() -> None:
    assert {words_of(command)[0] for page in PAGES for command in commands(page)} >= {"train", "predict", "prepare"}


@cache
def trouble(command: str) -> str:
    """What is wrong with a command; the same words on another page are composed once."""
    verb, words = words_of(command)
    if verb.startswith("-") or verb == "completion" or "--config-dir=" in command:  # with options of the page's own
        return ""
    conf = conf_folder()
    GlobalHydra.instance().clear()
    try:
        config = all_verbs(conf)[verb].config
        compose(config, rewrite(named(words, WORDS.get(verb, ())), config, conf))
    except Exception as error:  # all of a page at once
        return f"{command}\n    {error}"
    return ""


@pytest.mark.parametrize("page", [page for page in PAGES if page not in BY and commands(page)])
def test_every_command_of_a_page_composes(page: str) -> None:
    wrong = [text for command in dict.fromkeys(commands(page)) if (text := trouble(command))]
    assert not wrong, "\n".join(wrong)


def test_the_first_page_names_every_verb() -> None:
    page = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    absent = [verb for verb in all_verbs(conf_folder()) if not re.search(rf"(astrid |python |[`,] ?`?){verb}\b", page)]
    assert not absent
