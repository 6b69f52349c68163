"""Types each wrong input, each in an empty folder, and prints what came of it.

python tests/words/table.py FOLDER RESULT.json

The inputs are made in FOLDER where it holds none. A process in which the libraries are loaded already is copied for
each line, so that a line costs what its own work costs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from wrong_inputs import WRONG, make_inputs, words_of

PATIENCE = 120.0  # seconds


def main(folder: Path, result: Path) -> None:
    """Make the inputs, type all lines, write the table."""
    if not (folder / "prepared").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make_inputs(folder)
    import hydra
    import pytorch_lightning
    import torch

    import astrid_ml.run.training.train

    loaded = (hydra, pytorch_lightning, torch, astrid_ml.run.training.train)
    assert all(loaded)
    rows = [{**typed(words_of(line, folder)), "says": says} for line, says in WRONG]
    result.write_text(json.dumps(rows))
    for row in rows:
        message = " / ".join(part.strip() for part in row["said"].splitlines()[-3:])
        print(f"{row['code']} {row['seconds']:.1f} s  astrid {' '.join(row['words'])}\n     {message[:300]}")
    wrong = [row for row in rows if row["code"] != 2 or row["says"] not in row["said"]]
    print(f"{len(rows)} inputs, {len(wrong)} without the message that they should have")


def typed(words: list[str]) -> dict[str, Any]:
    """Exit code, processor seconds, what was printed on standard error and which files were left."""
    place = Path(tempfile.mkdtemp(prefix="words-"))
    said = place.with_suffix(".said")
    before = os.times()
    child = os.fork()
    if child == 0:
        _be_a_command(words, place, said)
    code = _ended(child)
    after = os.times()
    spent = sum(after[2:4]) - sum(before[2:4])
    files = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    text = said.read_text(errors="replace")
    shutil.rmtree(place)
    said.unlink()
    return {"words": words, "code": code, "seconds": spent, "said": text, "files": files}


def _be_a_command(words: list[str], place: Path, said: Path) -> None:
    os.setsid()
    os.chdir(place)
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr, sys.stdout = os.fdopen(2, "w", closefd=False), os.fdopen(1, "w", closefd=False)
    sys.argv = ["astrid", *words]
    from astrid_ml.cli.main import main as astrid

    code = 99
    try:
        astrid(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


def _ended(child: int) -> int:
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return 124


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
