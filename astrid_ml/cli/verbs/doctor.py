"""``astrid doctor``: what is installed, what is missing and the line that cures it, what could go wrong here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.executors.cores import cores

CORE = (
    "torch pytorch-lightning torchmetrics hydra-core omegaconf numpy scipy scikit-learn astropy photutils reproject "
    "sep pandas pyarrow h5py fastavro cramjam mlcroissant matplotlib tensorboard wandb"
).split()
EXTRAS = {
    "mlflow": ["mlflow"],
    "sweep": ["hydra-joblib-launcher", "hydra-submitit-launcher", "optuna"],
    "scale": ["distributed", "dask-jobqueue", "submitit", "cryptography"],
    "archives": ["astroquery"],
    "board": ["vl-convert-python"],
    "export": ["onnxruntime"],
    "dev": ["pytest", "pytest-xdist", "mypy", "ruff"],
}


def command(cfg: Any) -> int:
    """Print the findings; exit code 1 where something must be fixed."""
    problems = 0
    for mark, line in findings(Path(str(cfg.paths.data)), Path(str(cfg.paths.run_dir)).parent):
        problems += mark == "!!"
        print(f"{mark:>2} {line}")
    print("nothing to fix" if not problems else f"{problems} to fix (marked !!)")
    return 1 if problems else 0


def findings(store: Path, runs: Path) -> Iterator[tuple[str, str]]:
    """All findings as (mark, sentence): ``ok``, ``--`` (optional and absent), ``!!`` (fix this)."""
    from astrid_ml import __version__

    yield "ok", f"astrid_ml {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield from _versions()
    yield from _extras()
    yield from _plugins()
    yield from _devices()
    yield from _folders(store, runs)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions() -> Iterator[tuple[str, str]]:
    for name in CORE:
        version = _version(name)
        yield (
            ("ok", f"{name} {version}")
            if version
            else ("!!", f"{name} is missing: pip install {name} -c constraints.txt")
        )


def _extras() -> Iterator[tuple[str, str]]:
    for extra, names in EXTRAS.items():
        absent = [name for name in names if _version(name) is None]
        if absent:
            yield "--", f"extra {extra} lacks {', '.join(absent)}: pip install 'astrid-ml[{extra}]' -c constraints.txt"
        else:
            yield "ok", f"extra {extra}"


def _plugins() -> Iterator[tuple[str, str]]:
    """What each installed plugin brings; its classes are imported here, and nowhere before they are chosen."""
    from astrid_ml.build import check_targets
    from astrid_ml.installed import announced

    for plugin in announced():
        told = f"plugin {plugin.name} ({plugin.distribution} {plugin.version})"
        for fault in plugin.faults:
            yield "!!", f"{told} is left out: {fault}"
        if not plugin.faults:
            yield "ok", f"{told}: {len(plugin.options)} options, {len(plugin.classes)} classes of its own"
        for name in sorted(plugin.classes) if not plugin.faults else ():
            try:
                check_targets({"_target_": name})
            except UserError as error:
                yield "!!", f"{told}: {name}: expected {error.expected}; got {error.got}"


def _devices() -> Iterator[tuple[str, str]]:
    import torch

    from astrid_ml.devices import cpu_has_bf16

    count = cores()
    given = os.environ.get("OMP_NUM_THREADS", "not set")
    yield "ok", f"{count} cores for this process, {torch.get_num_threads()} torch threads (OMP_NUM_THREADS {given})"
    yield (
        "ok",
        "bfloat16 on the processor: "
        + ("yes, training uses it" if cpu_has_bf16() else "no, training stays in float32"),
    )
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            yield "ok", f"GPU {number}: {torch.cuda.get_device_name(number)} (trainer=gpu)"
    else:
        yield "--", "no GPU that torch can use"


def _folders(store: Path, runs: Path) -> Iterator[tuple[str, str]]:
    for what, folder in (("store paths.data", store), ("runs", runs)):
        existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
        try:
            with tempfile.NamedTemporaryFile(dir=existing):
                pass
        except OSError as error:
            yield "!!", f"{what}: cannot write in {existing} ({error.strerror}): choose another folder"
            continue
        yield "ok", f"{what}: {existing} is writable, {shutil.disk_usage(existing).free / 2**30:.0f} GiB free"
