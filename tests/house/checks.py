"""What must be true of the source. Each check names all offenders at once; none means that it holds."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from house import NAME, House, circles

MODULE_LINES, FUNCTION_LINES, ARGUMENTS, FOLDER_MODULES = 350, 50, 8, 14


def room(module: str, inside: str = "") -> str | None:
    """The room of a module within the house (``""``) or within a room; None where it is not in there."""
    parts = module.split(".")[1:]
    outer = inside.split(".") if inside else []
    if parts[: len(outer)] != outer or len(parts) <= len(outer):
        return None
    return parts[len(outer)]


def upward(house: House, order: Mapping[str, Sequence[str]]) -> list[str]:
    """Imports of a room that stands later, and rooms that have no place."""
    found = []
    for inside, rooms in order.items():
        place = {name: number for number, name in enumerate(rooms)}
        # Whatever else stands in evaluation/ or report/ is one room of equals; in the house, each must have a place.
        for name, others in house.imports.items():
            own = room(name, inside)
            if own is None or (not inside and own == "conf"):  # conf holds no code
                continue
            if own not in place and not inside:
                found.append(f"{name}: the room {own} has no place in the order")
            for other in sorted(others):
                there = room(other, inside)
                if there is not None and own in place and place.get(there, -1) > place[own]:
                    found.append(f"{name} imports {other}: {there} stands above {own}")
    return sorted(set(found))


def circles_of_files(house: House) -> list[str]:
    return [" <-> ".join(part) for part in circles(house.imports)]


def circles_of_packages(house: House) -> list[str]:
    """Circles among folders; modules that stand directly in astrid_ml/ are rooms of their own."""
    graph: dict[str, set[str]] = defaultdict(set)
    folder = {name: name if module.folder == NAME else module.folder for name, module in house.modules.items()}
    for name, others in house.imports.items():
        graph[folder[name]] |= {folder[other] for other in others} - {folder[name]}
    # An __init__ that only re-exports its own modules is no circle of its own.
    return [" <-> ".join(part) for part in circles(graph)]


def too_large(house: House) -> list[str]:
    found = []
    folders: dict[str, int] = defaultdict(int)
    for module in house.modules.values():
        lines = module.text.count("\n")
        if lines > MODULE_LINES and module.name != f"{NAME}.moved":  # a table: a line a class
            found.append(f"{module.name}: {lines} lines")
        if not module.is_package and module.folder != NAME:
            folders[module.folder] += 1
    found += [f"{name}: {count} modules in the folder" for name, count in folders.items() if count > FOLDER_MODULES]
    for module, node in house.functions():
        lines = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
        if lines > FUNCTION_LINES:
            found.append(f"{module.name}.{node.name}: {lines} lines")
        given = [*node.args.posonlyargs, *node.args.args]  # keyword-only ones are named where it is called
        count = len([argument for argument in given if argument.arg not in ("self", "cls")])
        if count > ARGUMENTS and node.name != "__init__":  # a class's fields are its parameters
            found.append(f"{module.name}.{node.name}: {count} arguments")
    return sorted(found)


def _docstring_lines(node: ast.FunctionDef) -> int:
    """What explains a function is not its size."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def renames_elsewhere(house: House) -> list[str]:
    """``os.replace`` and ``os.rename`` outside astrid_ml/files.py; ``Path.rename`` and ``Path.replace`` count."""
    found = []
    for module in house.modules.values():
        if module.name == f"{NAME}.files":
            continue
        for node in ast.walk(module.tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, name = node.func.value, node.func.attr
            direct = (
                isinstance(owner, ast.Name) and owner.id in ("os", "shutil") and name in ("replace", "rename", "move")
            )
            if direct or (
                name in ("rename", "replace") and len(node.args) == 1 and not node.keywords and _is_path(node)
            ):
                found.append(f"{module.name}:{node.lineno} {ast.unparse(node)[:70]}")
    return sorted(found)


def fits_opened_elsewhere(house: House) -> list[str]:
    """Files opened with astropy outside astrid_ml/fits_headers.py, which holds their headers against them first.

    Bytes in memory and files that the same function wrote (``mode="update"``) are no files of a user.
    """
    found = []
    for module in house.modules.values():
        for node in ast.walk(module.tree) if module.name != f"{NAME}.fits_headers" else ():
            if isinstance(node, ast.Call) and re.search(r"(fits|^pf)\.(open|get\w+|info)$", ast.unparse(node.func)):
                ours = any(word.arg == "mode" for word in node.keywords) or "BytesIO" in ast.unparse(node.args[0])
                found += [] if ours else [f"{module.name}:{node.lineno} {ast.unparse(node)[:70]}"]
    return sorted(found)


def _is_path(node: ast.Call) -> bool:
    """A guess from the name: ``temporary.replace(path)``; text and tables have two arguments or keywords."""
    return bool(re.search(r"path|part|temporary|folder|work|file", ast.unparse(node.func).lower())) and not isinstance(
        node.args[0], ast.Dict | ast.Constant
    )


def constants_elsewhere(house: House) -> list[str]:
    """The factor from a median absolute deviation to a sigma, outside astrid_ml/stats.py."""
    return sorted(
        f"{module.name}:{number}"
        for module in house.modules.values()
        if module.name != f"{NAME}.stats"
        for number, line in enumerate(module.text.splitlines(), 1)
        if re.search(r"\b1\.482\d*|0\.6745", line)
    )


# One name, two things of the field: a unit of work, and a unit of measure in ``Annotated[float, Unit("px")]``.
TWICE = frozenset({"Unit"})


def repeated_classes(house: House) -> list[str]:
    homes: dict[str, list[str]] = defaultdict(list)
    for module, node in house.classes():
        homes[node.name].append(module.name)
    return sorted(
        f"{name}: {', '.join(places)}" for name, places in homes.items() if len(places) > 1 and name not in TWICE
    )


def repeated_aliases(house: House) -> list[str]:
    """Aliases of array types outside astrid_ml/types.py."""
    return sorted(
        f"{module.name}:{number} {line.strip()}"
        for module in house.modules.values()
        if module.name != f"{NAME}.types"
        for number, line in enumerate(module.text.splitlines(), 1)
        if re.match(r"[A-Z]\w* *(: *TypeAlias)? *= *(npt\.NDArray|np\.ndarray)", line)
    )


def domains_named(house: House, words: Sequence[str], science: Sequence[str]) -> list[str]:
    """Names of domains and missions as literals in the framework's rooms."""
    found = []
    for module in house.modules.values():
        top = room(module.name)
        if top in science or module.name == f"{NAME}.moved":
            continue
        docs = {id(text) for text in _docstrings(module.tree)}
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                found += [
                    f"{module.name}:{node.lineno} {word!r}"
                    for word in words
                    if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", node.value)
                ]
    return sorted(found)


def _docstrings(tree: ast.Module) -> list[ast.Constant]:
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                out.append(first.value)
    return out


def untested(house: House, tests: Path) -> list[str]:
    """Modules that no test imports, by an import or by a dotted name in a text (a ``_target_``)."""
    seen: set[str] = set()
    for path in sorted(tests.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                seen.add(node.module)
                seen |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                seen |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                seen |= {name.rstrip(".") for name in re.findall(rf"\b{NAME}(?:\.\w+)+", node.value)}
    names = {prefix for name in seen for prefix in (name, name.rpartition(".")[0])}
    return sorted(name for name, module in house.modules.items() if not module.is_package and name not in names)


def misplaced_verbs(house: House, conf: Path) -> list[str]:
    """``conf/<verb>.yaml`` with a ``command`` names ``<Verb>Command`` in ``.../commands/<verb>.py``."""
    found = []
    for path in sorted(conf.glob("*.yaml")):
        match = re.search(r"^command:\n\s+_target_: *([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        if not match:
            continue
        verb = path.stem
        wanted = f".commands.{verb}.{''.join(part.title() for part in verb.split('_'))}Command"
        if not match.group(1).endswith(wanted):
            found.append(f"conf/{path.name} names {match.group(1)}, not ...{wanted}")
    return found


def folders_without_init(house: House) -> list[str]:
    folders = {module.path.parent for module in house.modules.values()}
    return sorted(str(folder.relative_to(house.root)) for folder in folders if not (folder / "__init__.py").is_file())


def told(doc: str) -> tuple[list[str], list[str]] | None:
    """Names in the ``Args:`` block of a docstring, and its entries that begin with no name; None without a block."""
    block = re.search(r"^( *)Args:\n((?:\1 .*\n|\s*\n)*)", f"{doc}\n", re.MULTILINE)
    if block is None:
        return None
    lines = [line for line in block[2].splitlines() if line.strip()]
    depth = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    names: list[str] = []
    nameless = []
    for line in (line[depth:] for line in lines if not line[depth].isspace()):
        entry = re.match(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*):(?: |$)", line)
        if entry is None:
            nameless.append(line)
        else:
            names += [name.lstrip("*") for name in entry[1].split(", ")]
    return names, nameless


def parameters(node: ast.FunctionDef) -> tuple[list[str], set[str]]:
    """Names that must be told, and those that may be: ``*args`` and ``**kwargs``."""
    given = node.args
    every = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    more = {argument.arg for argument in (given.vararg, given.kwarg) if argument is not None}
    return [name for name in every if name not in ("self", "cls")], more


def fields(node: ast.ClassDef) -> tuple[list[str], set[str]]:
    """Names that a class's docstring must tell, and those that it may: its constructor's, else its annotated fields.

    A field that the constructor does not take, and a property of a protocol, may be told.
    """
    for made in node.body:
        if isinstance(made, ast.FunctionDef) and made.name == "__init__":
            return parameters(made)
    must, may = [], set()
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            name, kind = part.target.id, ast.unparse(part.annotation)
            if name.startswith("_") or "ClassVar" in kind:
                continue
            if part.value is not None and "init=False" in ast.unparse(part.value):
                may.add(name)
            else:
                must.append(name)
        elif isinstance(part, ast.FunctionDef) and "Protocol" in _bases(node) and _is_property(part):
            may.add(part.name)
    return must, may


def _bases(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).split("[")[0].rpartition(".")[2] for base in node.bases]


def _is_property(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator) == "property" for decorator in node.decorator_list)


def _inherited(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> set[str]:
    names: set[str] = set()
    for base in _bases(node):
        if base in classes and classes[base] is not node:
            must, may = fields(classes[base])
            names |= {*must, *may, *_inherited(classes[base], classes)}
    return names


def _args_of_class(node: ast.ClassDef) -> tuple[list[str], list[str]] | None:
    """Of the class's docstring, or of its constructor's."""
    own = told(ast.get_docstring(node) or "")
    makers = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    return own if own is not None or not makers else told(ast.get_docstring(makers[0]) or "")


def args_that_differ(house: House) -> list[str]:
    """``Args:`` blocks whose names are not those of the fields or parameters."""
    classes = {node.name: node for _, node in house.classes()}
    found = []
    for module in house.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                block, (must, may) = _args_of_class(node), fields(node)
                may = may | _inherited(node, classes)
            elif isinstance(node, ast.FunctionDef) and node.name != "__init__":
                block, (must, may) = told(ast.get_docstring(node) or ""), parameters(node)
            else:
                continue
            if block is not None:
                where = f"{module.name}:{node.lineno} {node.name}"
                found += [f"{where}: Args {fault}" for fault in _faults(*block, must, may)]
    return sorted(found)


def _faults(names: list[str], nameless: list[str], must: list[str], may: set[str]) -> list[str]:
    lacking = [name for name in must if name not in names]
    strange = [name for name in names if name not in must and name not in may]
    twice = sorted({name for name in names if names.count(name) > 1})
    said = [("lack", lacking), ("name what is not there:", strange), ("tell twice:", twice), ("hold", nameless)]
    return [f"{word} {', '.join(items)}" for word, items in said if items]


def classes_without_args(house: House) -> list[str]:
    """Public classes that have fields or take arguments and tell nothing of them."""
    return sorted(
        f"{module.name}:{node.lineno} {node.name}: no Args for {', '.join(fields(node)[0])}"
        for module in house.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if fields(node)[0] and _args_of_class(node) is None
    )


def without_example(classes: Iterable[type]) -> list[str]:
    """Classes whose own docstring shows no use."""
    bare = [kind for kind in classes if ">>>" not in (vars(kind)["__doc__"] or "")]
    return sorted(f"{kind.__module__}.{kind.__name__}" for kind in bare)


def classes_in_code(page: str) -> set[type]:
    """Classes of ours that the Python blocks of a page import."""
    found = set()
    for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == NAME:
                module = importlib.import_module(node.module)
                found |= {getattr(module, alias.name) for alias in node.names}
    return {item for item in found if isinstance(item, type)}
