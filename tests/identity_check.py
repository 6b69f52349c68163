"""Every class has one name: run in a checkout, an editable install, a wheel, a wheel from the sdist.

``python identity_check.py [FOLDER]``: fails where a target does not stand where it says, a module is loaded under two
names, or a class does not cross a pickle or a spawned process as itself. With FOLDER, nothing may come from there.
"""

from __future__ import annotations

import importlib
import multiprocessing
import pickle
import pkgutil
import sys
from pathlib import Path
from typing import Any


def itself(kind: Any) -> Any:
    """Runs in the spawned process."""
    return kind


def main(forbidden: str | None) -> None:
    """Check, and print the counts."""
    import astrid_ml
    from astrid_ml.build import registry
    from astrid_ml.identity import home_of, name_of

    kinds = []
    for target in sorted(registry()):
        module, _, name = target.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        assert f"{found.__module__}.{found.__qualname__}" == target, target
        assert home_of(name_of(target)) == target
        assert pickle.loads(pickle.dumps(found)) is found
        kinds.append(found)
    for info in pkgutil.walk_packages(astrid_ml.__path__, "astrid_ml."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
    files: dict[Path, str] = {}
    for name, loaded in list(sys.modules.items()):
        file = getattr(loaded, "__file__", None)
        if file and name.split(".")[0] == "astrid_ml":
            true = Path(file).resolve()
            assert files.setdefault(true, name) == name, f"{true} is loaded as {files[true]} and {name}"
            assert forbidden is None or Path(forbidden).resolve() not in true.parents, f"{name} comes from {true}"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        returned = pool.map(itself, kinds)
    assert all(a is b for a, b in zip(returned, kinds, strict=True))
    print(f"{len(kinds)} targets at their true names, {len(files)} modules under one name each")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
