"""Which verbs there are, and which module answers each. Domain verbs are found in the configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass

from astrid_ml.layers import Folder


@dataclass(frozen=True)
class Verb:
    """A command of the program.

    Args:
        name: as typed.
        module: ``astrid_ml.cli.<module>`` with a function ``command(cfg) -> int``.
        config: the primary configuration, ``conf/<config>.yaml``.
        summary: one line of help.
        example: arguments of an example.
    """

    name: str
    module: str
    config: str
    summary: str
    example: str = ""


BUILT_IN = (
    Verb(
        "train",
        "verbs.train",
        "train",
        "prepare, split, audit, fit, calibrate, evaluate, report",
        "experiment=realbogus_sim",
    ),
    Verb(
        "predict",
        "verbs.predict",
        "predict",
        "score new raw files with a checkpoint",
        "ckpt_path=best.ckpt input=DIR output_dir=out",
    ),
    Verb(
        "prepare",
        "verbs.prepare",
        "prepare",
        "raw files to a prepared dataset",
        "experiment=realbogus_alerts paths.raw=DIR",
    ),
    Verb(
        "evaluate",
        "verbs.evaluate",
        "evaluate",
        "metrics and report of a checkpoint on a dataset",
        "ckpt_path=best.ckpt dataset=DIR output_dir=out",
    ),
    Verb(
        "simulate",
        "verbs.simulate",
        "simulate",
        "make raw files and their truth",
        "what=KIND simulate.n=1000 output_dir=sim",
    ),
    Verb(
        "benchmark-splits",
        "verbs.benchmark_splits",
        "benchmark_splits",
        "what a random split claims, beside the honest one",
        "experiment=realbogus_triplets output_dir=splits",
    ),
    Verb(
        "matrix",
        "verbs.matrix",
        "matrix",
        "trained on each mission, filter or field, tested on all",
        "experiment=realbogus_triplets column=mission output_dir=matrix",
    ),
    Verb(
        "sweep",
        "sweep",
        "sweep",
        "many trainings of one experiment, ordered by validation",
        "experiment=realbogus_triplets sweep=default output_dir=sweep",
    ),
    Verb("publish", "shards", "publish", "join what commands with shard=i/n have done", "input=DIR"),
    Verb("doctor", "verbs.doctor", "doctor", "versions, devices, extras, write access: what could be wrong here", ""),
)

_COMMAND = re.compile(r"^command:", re.MULTILINE)


def domain_verbs(conf: Folder) -> tuple[Verb, ...]:
    """Verbs that a science domain adds: each ``conf/<verb>.yaml`` with a ``command`` node.

    The first comment line of the file is the summary, the second (``# astrid VERB ...``) the example.
    """
    found = []
    for path in sorted(conf.glob("*.yaml"), key=lambda path: path.name):
        text = path.read_text(encoding="utf-8")
        if not _COMMAND.search(text):
            continue
        comments = [line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")]
        name = path.stem.replace("_", "-")
        example = next((line.split(maxsplit=2)[2] for line in comments if line.startswith(f"astrid {name} ")), "")
        summary = next((line for line in comments if not line.startswith("astrid ")), "")
        found.append(Verb(name, "verbs.domain", path.stem, summary, example))
    return tuple(found)


def all_verbs(conf: Folder) -> dict[str, Verb]:
    """Every verb by name."""
    return {verb.name: verb for verb in (*BUILT_IN, *domain_verbs(conf))}
