"""Pages of the site from the text notebooks: their cells in order."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import mkdocs_gen_files
from mkdocs_gen_files.nav import Nav

FOLDER = Path(__file__).resolve().parents[1] / "tutorials"


def page_of(path: Path) -> str:
    """Markdown of a notebook: text as it is, code in blocks, and where the file is."""
    cells = jupytext.read(path).cells
    parts = [cell.source if cell.cell_type == "markdown" else _code(cell.source, path.stem) for cell in cells]
    told = f"The file is `docs/tutorials/{path.name}`: run it as it is, or open it as a notebook with jupytext."
    return "\n\n".join([parts[0], told, *parts[1:]]) + "\n"


def _code(source: str, notebook: str) -> str:
    """A block, and under it the figures that it draws."""
    drawn = re.findall(r'savefig\(PLACE / "(\w+)\.png"', source)
    shown = [f"![{name.replace('_', ' ')}](pictures/{notebook}_{name}.png)" for name in drawn]
    return "\n\n".join([f"```python\n{source}\n```", *shown])


def write_tutorials() -> None:
    """A page for each, and the menu."""
    menu = Nav()  # type: ignore[no-untyped-call]
    for path in sorted(FOLDER.glob("*.py")):
        text = page_of(path)
        menu[text.partition("\n")[0].lstrip("# ")] = f"{path.stem}.md"
        with mkdocs_gen_files.open(f"tutorials/{path.stem}.md", "w") as page:
            page.write(text)
    with mkdocs_gen_files.open("tutorials/menu.md", "w") as file:
        file.writelines(menu.build_literate_nav())


if __name__ in ("__main__", "<run_path>"):
    write_tutorials()
