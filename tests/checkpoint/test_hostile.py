"""Checkpoints that would run something: refused, and nothing is run, opened for writing or connected to on the way.

Each is written as an attacker can write it, with digests made anew, in both schemas.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made.untrained import Untrained, untrained

from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import read_checkpoint
from astrid_ml.cli.main import run

CREATE = "${oc.create:{_target_: builtins.open, file: MARKER, mode: w}}"
TEXTS = [
    CREATE,
    "${oc.create:{_target_: pandas.read_pickle, filepath_or_buffer: MARKER}}",
    "${oc.env:HOME}",
    "${oc.decode:${oc.env:PATH}}",
    "${hydra:runtime.cwd}",
    "${now:%Y}",
    "${model.task}",
    "a${b}c",
    "${",
    "${${oc.env:HOME}}",
]
TARGETS = [
    "os.system",
    "builtins.eval",
    "builtins.open",
    "subprocess.Popen",
    "pickle.loads",
    "torch.load",
    "torch.hub.load",
    "importlib.import_module",
    "hydra.utils.instantiate",
    "omegaconf.OmegaConf.create",
    "astrid_ml.build.importlib.import_module",
    "astrid_ml.checkpoint.load.torch.load",
    "astrid_ml.checkpoint.load.pickle.loads",
    "astrid_ml.files.os.system",
    "astrid_ml.files.write_text",
    "astrid_ml.cli.main.run",
    "astrid_ml.api.train",
    "models.braai.network.torch.load",
    "astrid_ml.models.braai.network.BraaiVGG6.__init__.__globals__",
    " os.system",
    "os.system ",
    "",
    "os",
]
Change = Callable[[dict[str, Any]], None]


def put(*path: str, value: Any) -> Change:
    def change(config: dict[str, Any]) -> None:
        node: Any = config
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return change


def changes(marker: str) -> dict[str, Change]:
    """Name -> what is done to the record's configuration."""
    out: dict[str, Change] = {}
    for number, text in enumerate(TEXTS):
        text = text.replace("MARKER", marker)
        out[f"text{number}_as_network"] = put("model", "task", "network", value=text)
        out[f"text{number}_in_a_list"] = put("channels", "names", value=["science", text])
        out[f"text{number}_as_key"] = put("datamodule", text, value=1)
    for number, target in enumerate(TARGETS):
        node = {"_target_": target, "file": marker, "mode": "w"}
        out[f"target{number}_as_network"] = put("model", "task", "network", value=node)
        out[f"target{number}_deep"] = put("datamodule", "augment", value=[{"a": {"b": [node]}}])
    for word in ("_args_", "_recursive_", "_convert_", "_mode_", "hydra", "__class__"):
        out[f"word{word}"] = put("model", "task", word, value=[marker])
    simulate = {"_target_": "astrid_ml.preprocessing.triplets.simulate.SimulateTriplets"}
    out["another_class_of_ours_as_task"] = put("model", "task", value=simulate)
    out["another_class_of_ours_as_data"] = put("datamodule", value=simulate)
    out["partial_text"] = put("model", "task", "_partial_", value="true")
    out["a_list_as_task"] = put("model", "task", value=[simulate])
    out["no_task"] = put("model", value={})
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return untrained(tmp_path_factory.mktemp("hostile"))


def write_hostile(made: Untrained, folder: Path) -> int:
    content = read_checkpoint(made.checkpoint)
    todo = changes(str(folder / "MARKER"))
    for name, change in todo.items():
        entry = copy.deepcopy(content["astrid"])
        change(entry["config"])
        rest = {key: value for key, value in entry.items() if key != "digests"}
        entry["digests"] = {"weights": digest_of(content["state_dict"]), "record": digest_of(rest)}
        torch.save({**content, "astrid": entry}, folder / f"{name}.ckpt")
    return len(todo)


WATCHED = """
import sys, json, tempfile
from pathlib import Path
from astrid_ml.api import load_checkpoint
from astrid_ml.errors import UserError
seen, on = [], []
def hook(event, arguments):
    if not on: return
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append([event, str(arguments[0]), arguments[1]])
    if event.startswith(("subprocess", "os.system", "os.exec", "os.posix_spawn", "socket.", "os.remove", "os.rename")):
        seen.append([event, str(arguments)[:100]])
    if event == "pickle.find_class" and arguments[0].split(".")[0] not in ("torch", "collections", "_codecs"):
        seen.append([event, str(arguments)])
tempfile.gettempdir()  # asked once, by trying to write there: not while it is watched
sys.addaudithook(hook)
result = {}
for path in sorted(Path(sys.argv[1]).glob("*.ckpt")):
    on.append(1)
    try:
        load_checkpoint(path)
        result[path.stem] = "loaded"
    except UserError as error:
        result[path.stem] = "refused: " + str(error)[:300]
    except BaseException as error:
        result[path.stem] = "crashed: " + repr(error)[:300]
    on.clear()
print(json.dumps({"result": result, "seen": seen}))
"""


def test_none_is_loaded_and_nothing_is_touched(made: Untrained, tmp_path: Path) -> None:
    count = write_hostile(made, tmp_path)
    assert count > 80
    done = subprocess.run([sys.executable, "-c", WATCHED, str(tmp_path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert {name: said for name, said in found["result"].items() if not said.startswith("refused")} == {}
    assert found["seen"] == []
    assert not (tmp_path / "MARKER").exists()


def test_the_command_ends_with_2_and_a_sentence(
    made: Untrained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hostile(made, tmp_path)
    hostile = tmp_path / "text0_as_network.ckpt"
    code = run(["predict", f"ckpt_path={hostile}", f"input={made.raw}", f"output_dir={tmp_path / 'out'}"])
    said = capsys.readouterr().err
    assert code == 2 and "holds a reference" in said and "Traceback" not in said
    assert not (tmp_path / "MARKER").exists()
