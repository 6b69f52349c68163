"""One measure: a ranking is summed in metrics/ranking.py alone, groups are drawn in evaluation/bootstrap.py alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import NAME, ROOT, House

RANKING, BINARY, BOOTSTRAP = f"{NAME}.metrics.ranking", f"{NAME}.metrics.binary", f"{NAME}.evaluation.bootstrap"
# Names of measures, and the one module that may define each; binary turns scores into curves and asks ranking.
HOMES = {
    "area": RANKING,
    "roc_area": RANKING,
    "completeness_at": RANKING,
    "average_precision": BINARY,
    "roc_auc": BINARY,
    **dict.fromkeys(("aucpr", "auprc", "pr_auc", "recall_at", "area_under_curve"), "no module"),
}
SECOND = ("average_precision_score", "precision_recall_curve", "roc_auc_score", "roc_curve", "auc")
ENDS = (0.025, 0.975, 2.5, 97.5)


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


def test_a_measure_is_defined_in_one_module(house: House) -> None:
    found = second_definitions(house)
    assert not found, "\n".join(found)
    for name, home in HOMES.items():
        if home != "no module":
            assert name in functions_of(house.modules[home].tree)


def test_no_other_library_measures_what_is_reported(house: House) -> None:
    found = second_libraries(house)
    assert not found, "\n".join(found)


def test_one_module_computes_a_cumulative_precision(house: House) -> None:
    found = cumulative_precisions(house)
    assert not found, "\n".join(found)


def test_one_module_draws_groups(house: House) -> None:
    assert {line.split(":")[0] for line in group_draws(house)} == {BOOTSTRAP}


def test_the_ends_of_an_interval_follow_from_its_level(house: House) -> None:
    found = written_ends(house)
    assert not found, "\n".join(found)


# ---- the checks; each names all offenders at once -----------------------------------------------------------


def functions_of(tree: ast.Module) -> set[str]:
    """Functions at the top of a module; a method may be called what it likes."""
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def second_definitions(house: House) -> list[str]:
    return sorted(
        f"{module.name}.{name}, at home in {HOMES[name]}"
        for module in house.modules.values()
        for name in functions_of(module.tree) & set(HOMES)
        if HOMES[name] != module.name
    )


def second_libraries(house: House) -> list[str]:
    found = []
    for module in house.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("sklearn", "torchmetrics"):
                found += [f"{module.name}: {alias.name}" for alias in node.names if alias.name in SECOND]
    return sorted(found)


def cumulative_precisions(house: House) -> list[str]:
    """Divisions, within a function, of what a cumulative sum gave by what a cumulative sum (or a rank) gave."""
    found = []
    for module, function in house.functions():
        if module.name == RANKING:
            continue
        running = names_from(function, ("cumsum",))
        below = running | names_from(function, ("arange",))
        for node in ast.walk(function):
            sides = division(node)
            above, under = (used(sides[0]) & running, used(sides[1]) & below) if sides else (set(), set())
            if above and under and above != under:  # equal: a share of itself
                found.append(f"{module.name}.{function.name}: {ast.unparse(node)[:60]}")
    return sorted(found)


def names_from(function: ast.FunctionDef, calls: tuple[str, ...]) -> set[str]:
    """Local names whose value calls one of these, or uses such a name."""
    known: set[str] = set()
    for _ in range(2):  # a name of a name
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                pairs = [(target, node.value) for target in node.targets]
                if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
                for target, value in pairs:
                    called = {name_of(part.func) for part in ast.walk(value) if isinstance(part, ast.Call)}
                    if called & set(calls) or (isinstance(value, ast.BinOp) and used(value) & known):
                        known |= used(target)
    return known


def division(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return node.left, node.right
    if isinstance(node, ast.Call) and name_of(node.func) in ("divide", "true_divide") and len(node.args) > 1:
        return node.args[0], node.args[1]
    return None


def used(node: ast.AST) -> set[str]:
    """Names in an expression; the last place of a cumulative sum is a total, not a curve."""
    if isinstance(node, ast.Subscript) and ast.unparse(node.slice) in ("-1", "..., -1", ":, -1", ":, -1:"):
        return set()
    own = {node.id} if isinstance(node, ast.Name) else set()
    return own.union(*(used(child) for child in ast.iter_child_nodes(node)))


def group_draws(house: House) -> list[str]:
    """``integers(0, n, n)``, ``integers(n, size=n)`` and ``choice(n, n)``: as many of n as there are."""
    return sorted(
        f"{module.name}:{node.lineno}"
        for module in house.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and name_of(node.func) in ("integers", "randint", "choice") and resamples(node)
    )


def resamples(node: ast.Call) -> bool:
    given, keywords = list(node.args), {word.arg: word.value for word in node.keywords}
    if isinstance(keywords.get("replace"), ast.Constant) and not ast.literal_eval(keywords["replace"]):
        return False  # a permutation
    if name_of(node.func) != "choice" and len(given) + ("size" in keywords) == 3:
        given = given[1:]  # from low to high
    size = keywords.get("size", given[1] if len(given) > 1 else None)
    if not given or size is None:
        return False
    whole, number = ast.unparse(given[0]), ast.unparse(size)
    return number in (whole, f"len({whole})", f"{whole}.size")


def written_ends(house: House) -> list[str]:
    calls: Iterator[tuple[str, ast.Call]] = (
        (module.name, node)
        for module in house.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and name_of(node.func).endswith(("quantile", "percentile"))
    )
    return sorted(
        f"{name}:{node.lineno} {ast.unparse(node)[:60]}"
        for name, node in calls
        if any(isinstance(part, ast.Constant) and part.value in ENDS for part in ast.walk(node))
    )


def name_of(function: ast.expr) -> str:
    """``quantile`` of ``np.quantile``."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


# ---- planted violations -------------------------------------------------------------------------------------


def planted(root: Path, text: str, name: str = "models/judge.py") -> House:
    for folder in ("astrid_ml", "astrid_ml/evaluation", "models"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "__init__.py").write_text("")
    (root / name).write_text(text)
    return House(root)


BINNED = """
def of_bins(true, false):
    found, wrong = np.cumsum(true), np.cumsum(false)
    share = np.divide(found, found + wrong)
    return (share * true).sum() / found[-1]
"""
LISTED = """
def of_list(weight, steps):
    right, claimed = (np.cumsum(weight @ counts) for counts in steps)
    return np.dot(np.diff(right), np.divide(right, claimed, where=claimed > 0))
"""
SUMMED = """
def of_scores(y):
    true, false = np.cumsum(y), np.cumsum(~y)
    found = true + false
    return true / found
"""
DRAWN = """
def curve(hits):
    found = np.cumsum(hits)
    claimed = np.arange(1, len(hits) + 1)
    return found / claimed
"""
TOTAL = """
def shares(counts):
    ends = np.cumsum(counts)
    return ends / ends[-1]
"""


MEAN = """
def pooled(values, weights, g):
    running = torch.cumsum(torch.cat([values * weights, weights], -1), 1)
    return running[..., :-g] / running[..., -g:].repeat_interleave(values.shape[2])
"""


@pytest.mark.parametrize("text", [BINNED, LISTED, SUMMED, DRAWN])
def test_a_second_cumulative_precision_is_named(text: str, tmp_path: Path) -> None:
    (line,) = cumulative_precisions(planted(tmp_path, text))
    assert line.startswith("astrid_ml.models.judge.")


@pytest.mark.parametrize("text", [TOTAL, MEAN])
def test_a_share_of_a_total_and_a_running_mean_are_no_precision(text: str, tmp_path: Path) -> None:
    assert cumulative_precisions(planted(tmp_path, text)) == []


def test_a_second_measure_is_named(tmp_path: Path) -> None:
    text = "from sklearn.metrics import roc_auc_score\ndef recall_at(true, false): ...\n"
    text += "def average_precision(true, false): ...\nclass Grid:\n    def area(self): ...\n"
    house = planted(tmp_path, text)
    assert second_libraries(house) == ["astrid_ml.models.judge: roc_auc_score"]
    assert second_definitions(house) == [
        f"astrid_ml.models.judge.average_precision, at home in {BINARY}",
        "astrid_ml.models.judge.recall_at, at home in no module",
    ]


@pytest.mark.parametrize(
    ("call", "is_one"),
    [
        ("random.integers(0, n, n)", True),
        ("random.integers(0, n, size=n)", True),
        ("random.integers(n, size=n)", True),
        ("np.random.randint(0, len(x), len(x))", True),
        ("random.choice(rows, len(rows))", True),
        ("random.choice(n, n)", True),
        ("random.choice(n, n, replace=False)", False),
        ("random.integers(0, 4, n)", False),
        ("random.integers(1, n)", False),
    ],
)
def test_a_draw_of_groups_is_named(call: str, is_one: bool, tmp_path: Path) -> None:
    assert group_draws(planted(tmp_path, f"x = {call}\n")) == (["astrid_ml.models.judge:1"] if is_one else [])


@pytest.mark.parametrize(
    ("call", "is_one"),
    [
        ("np.quantile(values, [0.025, 0.975])", True),
        ("np.percentile(values, 97.5)", True),
        ("np.quantile(values, [tail, 1 - tail])", False),
        ("np.percentile(values, 50)", False),
        ("area(0.025)", False),
    ],
)
def test_a_written_end_of_an_interval_is_named(call: str, is_one: bool, tmp_path: Path) -> None:
    assert bool(written_ends(planted(tmp_path, f"x = {call}\n"))) is is_one
