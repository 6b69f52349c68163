"""Each check names the violation that is planted in a small house of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import checks
import pytest
from house import House

ORDER = {"": ("types", "stats", "files", "evaluation", "preprocessing", "models", "run"), "models": ("losses", "tasks")}


def build(root: Path, files: dict[str, str]) -> House:
    """A house of these files; every folder is a package."""
    for name, text in {"astrid_ml/__init__.py": "", "preprocessing/__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for folder in path.relative_to(root).parents:
            if str(folder) != "." and not (root / folder / "__init__.py").exists():
                (root / folder / "__init__.py").write_text("")
    return House(root)


IMPORT = "from astrid_ml.run import train\n"
LAZY = "def f() -> None:\n    from astrid_ml.run import train\n"
TYPES_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from astrid_ml.run import train\n"


@pytest.mark.parametrize("text", [IMPORT, LAZY, TYPES_ONLY], ids=["plain", "lazy", "type checking"])
def test_an_upward_import_is_named(text: str, tmp_path: Path) -> None:
    house = build(tmp_path, {"models/losses.py": text, "astrid_ml/run/train.py": "", "models/tasks.py": ""})
    assert checks.upward(house, ORDER) == [
        "astrid_ml.models.losses imports astrid_ml.run.train: run stands above models"
    ]


def test_an_upward_import_inside_a_room_is_named(tmp_path: Path) -> None:
    house = build(tmp_path, {"models/losses.py": "import astrid_ml.models.tasks\n", "models/tasks.py": ""})
    assert checks.upward(house, ORDER) == [
        "astrid_ml.models.losses imports astrid_ml.models.tasks: tasks stands above losses"
    ]


def test_a_room_without_a_place_is_named(tmp_path: Path) -> None:
    house = build(tmp_path, {"astrid_ml/attic.py": ""})
    assert "astrid_ml.attic: the room attic has no place in the order" in checks.upward(house, ORDER)


def test_circles_are_named(tmp_path: Path) -> None:
    files = {
        "astrid_ml/a/one.py": "from astrid_ml.b.two import x\n",
        "astrid_ml/b/two.py": "def f() -> None:\n    import astrid_ml.a.one\n",
    }
    house = build(tmp_path, files)
    assert checks.circles_of_files(house) == ["astrid_ml.a.one <-> astrid_ml.b.two"]
    assert checks.circles_of_packages(house) == ["astrid_ml.a <-> astrid_ml.b"]


def test_sizes_are_named(tmp_path: Path) -> None:
    long = "def f() -> None:\n" + "    x = 1\n" * 60
    many = "def g(" + ", ".join(f"a{i}: int" for i in range(9)) + ") -> None: ...\n"
    named = "def h(*, " + ", ".join(f"a{i}: int" for i in range(9)) + ") -> None: ...\n"
    explained = 'def k() -> None:\n    """\n' + "    words\n" * 60 + '    """\n'
    files = {"models/a.py": long + many + named + explained, "models/b.py": "x = 1\n" * 351}
    files |= {f"models/tasks/m{i}.py": "" for i in range(15)}
    assert checks.too_large(build(tmp_path, files)) == [
        "astrid_ml.models.a.f: 61 lines",
        "astrid_ml.models.a.g: 9 arguments",
        "astrid_ml.models.b: 351 lines",
        "astrid_ml.models.tasks: 15 modules in the folder",
    ]


@pytest.mark.parametrize(
    "line", ["os.replace(a, b)", "os.rename(a, b)", "shutil.move(a, b)", "temporary.rename(path)", "part.replace(path)"]
)
def test_a_rename_elsewhere_is_named(line: str, tmp_path: Path) -> None:
    files = {"models/a.py": f"import os, shutil\n{line}\n", "astrid_ml/files.py": f"import os, shutil\n{line}\n"}
    assert checks.renames_elsewhere(build(tmp_path, files)) == [f"astrid_ml.models.a:2 {line}"]


def test_text_and_tables_may_be_replaced(tmp_path: Path) -> None:
    house = build(tmp_path, {"models/a.py": "path.replace('a', 'b')\ntable.rename(columns={})\n"})
    assert checks.renames_elsewhere(house) == []


@pytest.mark.parametrize("call", ["fits.open(path)", "astropy_fits.getdata(path, 1)", "fits.getheader(name)"])
def test_a_fits_file_that_is_opened_elsewhere_is_named(call: str, tmp_path: Path) -> None:
    own = "fits.open(io.BytesIO(content))\nfits.open(path, mode='update')\n"
    files = {"models/a.py": f"{own}x = {call}\n", "astrid_ml/fits_headers.py": f"{call}\n"}
    assert checks.fits_opened_elsewhere(build(tmp_path, files)) == [f"astrid_ml.models.a:3 {call}"]


PLANTED: list[tuple[Callable[[House], list[str]], dict[str, str], list[str]]] = [
    (
        checks.constants_elsewhere,
        {"models/a.py": "x = 1.4826\n", "models/b.py": "y = 1 / 0.6745\n", "astrid_ml/stats.py": "x = 1.4826\n"},
        ["astrid_ml.models.a:1", "astrid_ml.models.b:1"],
    ),
    (
        checks.repeated_classes,
        {"models/a.py": "class Net: ...\n", "models/b.py": "class Net: ...\n"},
        ["Net: astrid_ml.models.a, astrid_ml.models.b"],
    ),
    (
        checks.repeated_aliases,
        {"models/a.py": "Image = npt.NDArray[np.float32]\n"},
        ["astrid_ml.models.a:1 Image = npt.NDArray[np.float32]"],
    ),
    (
        lambda house: checks.domains_named(house, ("ramps", "ztf"), ("models",)),
        {"astrid_ml/a.py": '"""All about ramps."""\nx = "ramps"\ny = "my ztf file"\n', "models/b.py": 'x = "ztf"\n'},
        ["astrid_ml.a:2 'ramps'", "astrid_ml.a:3 'ztf'"],
    ),
]


@pytest.mark.parametrize(("check", "files", "offenders"), PLANTED)
def test_the_offenders_are_named(
    check: Callable[[House], list[str]], files: dict[str, str], offenders: list[str], tmp_path: Path
) -> None:
    assert check(build(tmp_path, files)) == offenders


def test_an_untested_module_is_named(tmp_path: Path) -> None:
    house = build(tmp_path, {"models/a.py": "", "models/b.py": "", "models/c.py": ""})
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("from astrid_ml.models.a import Net\nx = 'astrid_ml.models.b.Net'\n")
    assert checks.untested(house, tmp_path / "tests") == ["astrid_ml.models.c"]


def test_a_misplaced_verb_is_named(tmp_path: Path) -> None:
    house = build(tmp_path, {"models/a.py": ""})
    (tmp_path / "conf").mkdir(exist_ok=True)
    (tmp_path / "conf" / "look_up.yaml").write_text("command:\n  _target_: astrid_ml.models.commands.look_up.LookUp\n")
    (tmp_path / "conf" / "ok.yaml").write_text("command:\n  _target_: astrid_ml.models.commands.ok.OkCommand\n")
    assert checks.misplaced_verbs(house, tmp_path / "conf") == [
        "conf/look_up.yaml names astrid_ml.models.commands.look_up.LookUp, not ....commands.look_up.LookUpCommand"
    ]


def test_a_folder_without_init_is_named(tmp_path: Path) -> None:
    house = build(tmp_path, {"models/losses/a.py": ""})
    (tmp_path / "models" / "losses" / "__init__.py").unlink()
    assert checks.folders_without_init(house) == ["models/losses"]


ARGS = '"""Words.\n\n    Args:\n        {}\n    """\n'
FIELDS = "    x: int\n    y: int = field(init=False)\n    _z: int = 0\n    K: ClassVar = 1\n"
CLASS = "@dataclass\nclass A(B):\n    " + ARGS + FIELDS
BASE = "class B:\n    b: int\n"
FUNCTION = "def f(x: int, *rest: int, y: int = 0) -> None:\n    " + ARGS
METHOD = "class C:\n    def g(self, x: int, y: int) -> None:\n        " + ARGS.replace("\n    ", "\n        ")
MADE = "class D:\n    " + ARGS + "    def __init__(self, x: int) -> None: ...\n"


@pytest.mark.parametrize(
    ("text", "entries", "fault"),
    [
        (CLASS, "x: metres.", None),
        (CLASS, "x, y, b: metres.", None),
        (CLASS, "y: metres.", "A: Args lack x"),
        (CLASS, "x: metres.\n        _z: none.", "A: Args name what is not there: _z"),
        (CLASS, "x: metres.\n        K: none.", "A: Args name what is not there: K"),
        (MADE, "x: metres,\n            y: deeper, no name.", None),
        (MADE, "z: metres.", "D: Args lack x"),
        (FUNCTION, "y, x: metres.", None),
        (FUNCTION, "x, *rest: metres.\n        y: metres.", None),
        (FUNCTION, "x: metres. y: metres.", "f: Args lack y"),
        (FUNCTION, "x, y: metres.\n        x: metres.", "f: Args tell twice: x"),
        (FUNCTION, "x, y: metres.\n        and more words", "f: Args hold and more words"),
        (METHOD, "x: metres.", "g: Args lack y"),
        (METHOD, "x, y, w: metres.", "g: Args name what is not there: w"),
    ],
)
def test_args_that_differ_are_named(text: str, entries: str, fault: str | None, tmp_path: Path) -> None:
    found = checks.args_that_differ(build(tmp_path, {"models/a.py": BASE + text.format(entries)}))
    assert [line.partition(" ")[2] for line in found][: 1 if fault else None] == ([fault] if fault else [])


def test_a_class_that_tells_nothing_of_its_fields_is_named(tmp_path: Path) -> None:
    text = "class A(NamedTuple):\n    x: int\nclass B:\n    def __init__(self, y: int) -> None: ...\n"
    text += "class _C:\n    z: int\nclass D:\n    def m(self, z: int) -> None: ...\n"
    assert checks.classes_without_args(build(tmp_path, {"models/a.py": text})) == [
        "astrid_ml.models.a:1 A: no Args for x",
        "astrid_ml.models.a:3 B: no Args for y",
    ]


def test_a_class_without_an_example_is_named() -> None:
    class Shown:
        """Words.

        >>> Shown()
        """

    class Silent(Shown):
        """Words."""

    class Bare(Shown):
        pass

    assert checks.without_example([Shown, Silent, Bare]) == [f"{__name__}.Bare", f"{__name__}.Silent"]


def test_the_classes_of_a_page_are_those_that_its_code_imports() -> None:
    page = "Words\n```python\nfrom astrid_ml.api import PreparedDataset, train\nfrom pathlib import Path\n```\n"
    assert [kind.__name__ for kind in checks.classes_in_code(page)] == ["PreparedDataset"]
    assert checks.classes_in_code(page.replace("python", "bash")) == set()
