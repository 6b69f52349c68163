"""Pages of the site that the docstrings write: a page a package, its modules in order."""

from __future__ import annotations

from pathlib import Path

import mkdocs_gen_files
from mkdocs_gen_files.nav import Nav

PACKAGE = Path(__file__).resolve().parents[2] / "astrid_ml"
WITHOUT = {"conf", "skeletons", "taxonomies", "__pycache__", "weights"}  # no code that is called


def packages() -> list[Path]:
    """Folders with modules, in order; those of the four top-level folders are links below the package."""
    found = [PACKAGE]
    for folder in found:
        inner = sorted(place for place in folder.iterdir() if place.is_dir() and place.name not in WITHOUT)
        found += [place for place in inner if (place / "__init__.py").is_file()]
    return sorted(found)


def page_of(folder: Path) -> str:
    """Markdown of one package; empty where it has no module of its own."""
    modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if not modules:
        return ""
    name = _dotted(folder)
    own = f"::: {name}\n    options:\n      members: false\n"
    return "\n".join([f"# {name}", "", own, *(f"::: {name}.{module}\n" for module in modules)])


def _dotted(folder: Path) -> str:
    return ".".join((PACKAGE.name, *folder.relative_to(PACKAGE).parts))


def write_reference() -> None:
    """Write the pages and their menu."""
    menu = Nav()  # type: ignore[no-untyped-call]
    for folder in packages():
        text, name = page_of(folder), _dotted(folder)
        if text:
            menu[tuple(name.split(".")[1:]) or ("astrid_ml",)] = f"{name}.md"
            with mkdocs_gen_files.open(f"reference/{name}.md", "w") as page:
                page.write(text)
    with mkdocs_gen_files.open("reference/menu.md", "w") as file:
        file.writelines(menu.build_literate_nav())


if __name__ in ("__main__", "<run_path>"):
    write_reference()
