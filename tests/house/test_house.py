"""The structure holds: every check names all offenders at once."""

from __future__ import annotations

import ast
from pathlib import Path

import checks
import pytest
from house import LINKED, ROOT, House
from rooms import HOUSE, INSIDE

ORDER = {"": HOUSE, **INSIDE}
DOMAINS = ("differencing", "ramps", "lightcurves", "roman", "triplets", "alerts")
MISSIONS = ("ztf", "ZTF", "ps1", "swift", "galex", "jwst", "JWST", "hst", "tess", "rubin", "Rubin", "Roman")
SCIENCE = ("preprocessing", "datamodules", "models", "conf")


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


def say(found: list[str]) -> None:
    """Name all offenders; pytest would shorten a long list."""
    assert not found, "\n".join(found)


def test_every_import_points_down(house: House) -> None:
    say(checks.upward(house, ORDER))


def test_no_circle_of_files_or_packages(house: House) -> None:
    say(checks.circles_of_files(house))
    say(checks.circles_of_packages(house))


def test_modules_functions_and_folders_stay_small(house: House) -> None:
    say(checks.too_large(house))


def test_only_one_file_renames(house: House) -> None:
    say(checks.renames_elsewhere(house))


def test_fits_files_are_opened_behind_the_look_at_their_headers(house: House) -> None:
    say(checks.fits_opened_elsewhere(house))


def test_only_one_file_knows_the_factor_of_a_robust_sigma(house: House) -> None:
    say(checks.constants_elsewhere(house))


def test_a_class_name_stands_once(house: House) -> None:
    say(checks.repeated_classes(house))


def test_an_array_type_stands_once(house: House) -> None:
    say(checks.repeated_aliases(house))


def test_the_framework_names_no_domain_and_no_mission(house: House) -> None:
    say(checks.domains_named(house, (*DOMAINS, *MISSIONS), SCIENCE))


def test_every_module_is_imported_by_a_test(house: House) -> None:
    say(checks.untested(house, ROOT / "tests"))


def test_a_verb_is_found_by_its_name(house: House) -> None:
    say(checks.misplaced_verbs(house, ROOT / "conf"))


def test_every_folder_is_a_package_and_no_test_folder_is(house: House) -> None:
    say(checks.folders_without_init(house))
    assert not list((ROOT / "tests").rglob("__init__.py"))


def imported(path: Path) -> set[str]:
    """Modules that a file imports, whoever made them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def test_nobody_lets_hydra_build_objects(house: House) -> None:
    """What is checked in ``astrid_ml/build.py`` is what is built there; Hydra would resolve texts on the way."""
    say([name for name, module in house.modules.items() if "hydra.utils" in imported(module.path)])


@pytest.mark.parametrize("script", ["train.py", "predict.py"])
def test_the_scripts_are_a_few_lines(script: str) -> None:
    assert len((ROOT / script).read_text(encoding="utf-8").splitlines()) < 40
    assert imported(ROOT / script) == {"astrid_ml.cli.main"}


def test_the_links_of_the_checkout_lead_to_the_top() -> None:
    assert {name: (ROOT / "astrid_ml" / name).readlink() for name in LINKED} == {
        name: Path("..") / name for name in LINKED
    }
