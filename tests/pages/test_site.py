"""The site: every key of the configuration has a meaning there, and no page asks another machine for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from blocks import REPOSITORY
from made.browser import Visit

MAKING = REPOSITORY / "docs" / "making"


def _module(name: str) -> ModuleType:
    spec = spec_from_file_location(f"making_{name}", MAKING / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def options() -> ModuleType:
    return _module("options")


def test_every_key_says_what_it_means(options: ModuleType) -> None:
    silent, n = [], 0
    for group in options.groups():
        for option in options.option_names(options.CONF / group):
            for key in options.keys_of(options.CONF / group / f"{option}.yaml"):
                n += 1
                if not options.meaning_of(group, key) and not (option == "none" and key.default == "null"):
                    silent.append(f"{group}={option}: {key.name}")
    assert n > 2000
    assert not silent, "say it in a comment of its line, or under Args of its class"


def test_every_option_says_what_it_is(options: ModuleType) -> None:
    told = {
        f"{group}={option}": options.described(options.CONF / group / f"{option}.yaml")
        for group in options.groups()
        for option in options.option_names(options.CONF / group)
    }
    assert len(told) > 150
    assert not [name for name, text in told.items() if not text]


def test_a_key_has_the_value_that_hydra_gives_it(options: ModuleType) -> None:
    keys = {key.name: key for key in options.keys_of(options.CONF / "optimizer" / "adamw_decay.yaml")}
    assert (keys["weight_decay"].default, keys["lr"].default) == ("0.03", "0.001")
    keys = {key.name: key for key in options.keys_of(options.CONF / "preprocessing/ramps/steps/likelihood.yaml")}
    assert keys["chunk"].kind == "a whole number of at least 1 in px"
    assert keys["screen"].meaning.startswith("share of")


def test_a_docstring_is_read_as_the_site_shows_it() -> None:
    roles = _module("roles")
    text = "Of :class:`~a.B`.\n\nArgs:\n    first, second: the stamps,\n        of one size.\n    least: a limit.\n"
    made = roles._SHARED.sub(roles._apart, roles._ROLE.sub(lambda found: f"`{found[1]}`", text))
    assert "Of `a.B`." in made
    assert made.count("the stamps,\n        of one size.") == 2
    assert "    first: the" in made and "    second: the" in made and "    least: a limit." in made


class _Asked(HTMLParser):
    """Addresses that a browser fetches when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("img", "script", "iframe", "source", "video", "audio", "embed"):
            self.found.append(given.get("src") or "")
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(given.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without a word."""
    place = tmp_path_factory.mktemp("docs") / "site"
    quiet = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(place)]
    ended = subprocess.run(command, cwd=REPOSITORY, env=os.environ | quiet, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    return place


@pytest.mark.slow
@pytest.mark.browser
def test_a_folder_is_searched_without_a_server_and_asks_nobody(site: Path, visit: Callable[[Path], Visit]) -> None:
    (site / "asked.html").write_text("<script>location.replace('index.html?q=snowballs')</script>")
    seen = visit(site / "asked.html")
    assert int(re.findall(r"md-search-result__meta\">(\d+) matching", seen.dom)[0]) > 3
    assert re.search(r'href="[^"]*ramps\.html[^"]*" class="md-search-result__link', seen.dom)
    assert seen.console == []
    assert not {address for address in seen.requests if not address.startswith("file:")}


@pytest.mark.slow
def test_the_site_is_built_strictly_and_asks_nobody(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 150
    for page in pages:
        asked = _Asked()
        asked.feed(page.read_text(encoding="utf-8"))
        assert not [address for address in asked.found if re.match(r"(\w+:)?//", address)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet
    shown = (site / "options" / "preprocessing-ramps-steps.html").read_text(encoding="utf-8")
    assert "significance of a step" in shown
    tutorial = (site / "tutorials" / "supernovae.html").read_text(encoding="utf-8")
    assert "From a list of supernovae to triplets" in tutorial and "robust_sigma" in tutorial
    reference = (site / "reference" / "astrid_ml.audit.html").read_text(encoding="utf-8")
    assert 'id="astrid_ml.audit.duplicates.DuplicateSearch"' in reference
