"""CSV for people: no cell is one that a spreadsheet works out, and each text is read as it was."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.csv_text import marked, read_csv_text
from astrid_ml.tables import read_table

STARTS = "=+-@\t\n\uff1d\uff0b\uff0d\uff20"
HOSTILE = (
    "=cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0", "+1+1", "-1+1", "=HYPERLINK(\"http://x\")", "\t=1", "\n=1",
    "'=1", "''=1", "-2+3+cmd", "+69 40 25.9", "-=1", "\uff1d1+1", "'-1.5",
)  # fmt: skip
HARMLESS = ("SN 2014J", "-1.5", "+3e-5", "-.5", "--", "-", "1e5", "'", "o'Neil=", "a=b", "NA", "")
# Tables of which no name comes from outside, or whose form another program gives.
OWN_NAMES = {
    "astrid_ml/csv_text.py": "the docstring",
    "preprocessing/acquisition/simulate/command.py": "simulated",
    "preprocessing/simulated_sky/command_sky.py": "simulated",
    "preprocessing/simulated_sky/command_pairs.py": "simulated",
    "preprocessing/roman/simulate/files.py": "simulated, the telescope's form",
    "preprocessing/roman/simulate/command.py": "simulated, the telescope's form",
    "preprocessing/roman/job/master_index.py": "the form of the program that it is for",
}


def written(table: pd.DataFrame) -> str:
    return str(marked(table).to_csv(index=False))


@pytest.mark.parametrize("text", [*HOSTILE, *HARMLESS])
@pytest.mark.parametrize("kind", [np.dtype("O"), pd.StringDtype(), pd.CategoricalDtype()], ids=str)
def test_a_text_is_read_as_it_was_and_is_no_formula(text: str, kind: Any) -> None:
    table = pd.DataFrame({"name": pd.Series([text, "SN", None], dtype="object").astype(kind), "x": [1.0, -2.0, np.nan]})
    said = written(table)
    cell = [row[0] for row in csv.reader(io.StringIO(said, newline=""))][1]
    assert cell == (text if text in HARMLESS else f"'{text}")
    assert table["name"].tolist()[0] == text  # what was given stays as it is
    rows, _, bad = read_csv_text(said, {"name": "text"}, ())
    assert rows["name"].fillna("").tolist() == [text, "SN", ""] and not bad
    assert rows["x"].tolist()[:2] == [1.0, -2.0]


@pytest.mark.parametrize("ending", ["\r", "\r\n"])
def test_no_cell_begins_behind_a_carriage_return(ending: str) -> None:
    table = pd.DataFrame({"name": [f"SN{ending}=1+1", f"{ending}=1"], "x": [1, 2]})
    said = written(table)
    assert [row[0] for row in csv.reader(io.StringIO(said))] == ["name", "SN\n=1+1", "'\n=1"]
    assert read_csv_text(said, {"name": "text"}, ())[0]["name"].tolist() == ["SN\n=1+1", "\n=1"]


def test_any_texts_and_numbers_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    letters = [*"=+-@'a1. ;\t", "\uff0b"]
    texts = ["n" + "".join(rng.choice(letters, 3)) if k % 3 else "".join(rng.choice(letters, 4)) for k in range(300)]
    texts = [text.strip() or "x" for text in texts]
    table = pd.DataFrame({"name": texts, "=cell": texts[::-1], "ra": rng.uniform(0, 360, 300), "n": -np.arange(300)})
    (tmp_path / "t.csv").write_text(written(table))
    rows = read_table(tmp_path / "t.csv", {"name": "text", "ra": "deg"}).rows
    assert rows["name"].tolist() == texts and rows["n"].tolist() == table["n"].tolist()
    assert np.array_equal(rows["ra"], table["ra"]) and rows["=cell"].astype(str).tolist() == texts[::-1]
    numbers = table[["ra", "n"]]
    assert written(numbers) == numbers.to_csv(index=False)
    first = [cell for row in csv.reader(io.StringIO(written(table))) for cell in row]
    number = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]+", re.IGNORECASE)
    assert not [cell for cell in first if cell[:1] in tuple(STARTS) and cell and not number.fullmatch(cell)]


def test_every_csv_for_people_is_marked() -> None:
    root = Path(__file__).parents[2]
    bare = {}
    for folder in ("astrid_ml", "preprocessing", "models", "datamodules"):
        for path in (root / folder).rglob("*.py"):
            lines = [line for line in path.read_text().splitlines() if ".to_csv(" in line and "marked(" not in line]
            if lines:
                bare[path.relative_to(root).as_posix()] = lines
    assert set(bare) <= set(OWN_NAMES), sorted(set(bare) - set(OWN_NAMES))
