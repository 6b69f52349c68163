"""A wrong path, a missing argument, a wrong choice are refused before libraries are loaded; the fix can be typed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from astrid_ml.build import conf_folder
from astrid_ml.cli.check import refuse_places
from astrid_ml.cli.overrides import rewrite
from astrid_ml.cli.verbs.catalogue import all_verbs
from astrid_ml.cli.verbs.keys import Keys
from astrid_ml.cli.verbs.misfit import Misfit, fix
from astrid_ml.errors import UserError
from astrid_ml.inputs import WALKED, due_by, wrong_among
from astrid_ml.preprocessing.surveys.registry import settled
from astrid_ml.typed_values import parses, unreadable
from astrid_ml.values import example_of, fits, words_of
from astrid_ml.written import written_fields

HERE, CONF = Path(__file__).parent, conf_folder()
VERBS = all_verbs(CONF)
# What a library says in its own words, and no user should have to read.
STRANGE = re.compile(
    "mismatched|no viable|extraneous|token recognition|<EOF>|Traceback|Interpolation|OmegaConf|KeyError|ConfigKey"
)
KEY = re.compile(r"(?<![\w./-])([a-z_]+(?:[./][a-z_0-9]+)*)=(?=\S)")


@cache
def keys_of(verb: str) -> Keys:
    return Keys(verb, CONF)


def value_of(word: str) -> Any:
    """The value of an override, as plain containers."""
    value = OverridesParser.create().parse_override(word).value()
    return OmegaConf.to_container(OmegaConf.create({"key": getattr(value, "text", value)}))["key"]  # type: ignore[index,call-overload]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("early")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    command = [sys.executable, str(HERE / "early.py"), str(folder), str(folder / "rows.json")]
    subprocess.run(command, check=True, env=environment, cwd=folder)
    found: list[dict[str, Any]] = json.loads((folder / "rows.json").read_text())
    return found


def test_each_is_refused_in_three_parts_without_the_words_of_a_library(rows: list[dict[str, Any]]) -> None:
    assert len(rows) > 80
    wrong = [row for row in rows if row["code"] != 2 or row["says"] not in row["said"] or STRANGE.search(row["said"])]
    assert not wrong, "\n".join(f"{' '.join(row['words'])}: {row['says']!r}: {row['said']}" for row in wrong)
    assert [row["said"] for row in rows if len(row["said"].strip().splitlines()) != 3] == []


def test_no_library_is_loaded_and_nothing_is_made_before(rows: list[dict[str, Any]]) -> None:
    assert [(row["words"], row["loaded"]) for row in rows if row["loaded"]] == []
    assert [(row["words"], row["left"]) for row in rows if row["left"]] == []


def test_every_key_in_a_fix_can_be_set_in_that_verb(rows: list[dict[str, Any]]) -> None:
    wrong = []
    for row in rows:
        verb, last = VERBS[row["words"][0]], row["said"].strip().splitlines()[-1]
        keys = keys_of(verb.config)
        takes_it = "=(?= takes it)"  # says which key of any verb reads that kind
        for key in KEY.findall(re.sub(rf"[a-z_.]+{takes_it}", "", last)):
            slot = key.split("/")
            there = (
                key.startswith("hydra/")
                or keys.is_open(key)
                or key in keys.found
                or key in keys.groups
                or keys.path_of_node(key)
                or (CONF / key).is_dir()
            )
            if not there and not (len(slot) == 2 and any((CONF / "preprocessing").glob(f"*/{slot[1]}"))):
                wrong.append(f"{verb.name}: {key}: {last}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_fix_of_every_wrong_value_is_a_value_that_the_key_takes(verb: str) -> None:
    keys, wrong = keys_of(VERBS[verb].config), []
    for name in keys.names:
        for key in keys[name]:
            hint, default = written_fields(key.target).get(name.rpartition(".")[2], (None, None))
            if hint is None or (isinstance(key.value, str) and "${" in key.value):
                continue
            told = fix(Misfit(name, words_of(hint), 1j, default, example_of(hint), hint), [key])
            typed = shlex.split(told)[-1]
            if not told.startswith(("for instance", "write")) or told.endswith("=FILE"):
                continue
            (word,) = rewrite([typed], VERBS[verb].config, CONF)
            below = word.partition("=")[0].lstrip("+").removeprefix(name).strip(".")
            if not parses(word) or not fits({below: value_of(word)} if below else value_of(word), hint, None):
                wrong.append(f"{name} ({hint}): {told}")
    assert not wrong, "\n".join(wrong)


def test_every_path_of_every_verb_says_what_must_stand_there() -> None:
    silent = {
        name
        for verb in VERBS.values()
        for name in keys_of(verb.config).names
        for key in keys_of(verb.config)[name]
        if key.is_path and due_by(key.comment) is None
    }
    assert silent == {"survey", "init"}  # a name as well as a file


def test_a_pipe_is_waited_for_by_no_key_of_any_verb(tmp_path: Path) -> None:
    """Alone, in a list, below a name; who walks through folders names it among what nobody reads."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    seen = set()
    for verb in VERBS.values():
        for name in keys_of(verb.config).names:
            for key in keys_of(verb.config)[name]:
                due = due_by(key.comment) if key.is_path else None
                if due is None or due is WALKED:
                    continue
                seen.add(name)
                for value in (str(pipe), [str(pipe)], {"a": str(pipe)}, [[str(pipe)]]):
                    (wrong, *_) = wrong_among(due, value, name)
                    assert "a device, pipe or socket" in wrong.got and wrong.fix
    assert {"catalogues", "schemas", "ckpt_path", "label.path", "preprocessing.reader.field_files", "known"} <= seen


@pytest.mark.parametrize("typed", ["catalogues=[PIPE]", "catalogues=[LIST,PIPE]", "catalogues=PIPE"])
def test_crossmatch_refuses_a_pipe_among_its_catalogues(typed: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "list.csv").write_text("ra,dec\n1,2\n")
    words = typed.replace("PIPE", str(tmp_path / "pipe.csv")).replace("LIST", str(tmp_path / "list.csv"))
    value = words.partition("=")[2]
    given = {"catalogues": value.strip("[]").split(",") if value.startswith("[") else value}
    with pytest.raises(UserError, match="a HATS folder; got catalogues: a device, pipe or socket"):
        refuse_places(given, keys_of("crossmatch"))


@pytest.mark.parametrize("made", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_description_of_a_survey_that_is_no_file_is_not_waited_for(made: Any, tmp_path: Path) -> None:
    made(tmp_path / "own.yaml")
    with pytest.raises(UserError, match="no file, but a pipe, a device or a socket"):
        settled(str(tmp_path / "own.yaml"))


@pytest.mark.parametrize(
    "value", ["[1", "1]", "a=b", "1,", ",1", "1,,2", "1;2", "!", "#1", "'", '"a', "(1)", "f(", "{a", "}", "1µ", "a b]"]
)
def test_what_cannot_be_read_is_quoted_so_that_it_can(value: str) -> None:
    told = unreadable(f"note={value}")
    assert not parses(f"note={value}") and "do not belong" not in told.got
    if told.fix.startswith("quote it: "):
        (word,) = shlex.split(told.fix.removeprefix("quote it: "))
        assert parses(word)
