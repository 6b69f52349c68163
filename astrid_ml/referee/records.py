"""What the parts of a bundle say of each other: files, record, configuration, checkpoint, dataset, split."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import yaml

from astrid_ml.checkpoint.digests import digest_of
from astrid_ml.checkpoint.record import Record, hashes
from astrid_ml.dataset.digests import FILE, read_digests
from astrid_ml.errors import UserError
from astrid_ml.fingerprint import file_hash
from astrid_ml.identity import lasting
from astrid_ml.reasons import shortened
from astrid_ml.referee.crate import METADATA, constraints, facts_of, metadata_text, sized, small_note, sources_digest
from astrid_ml.referee.opened import Bundle, plainly
from astrid_ml.referee.verdicts import DIFFERENT, EQUAL, UNKNOWN, Compared, PartAbsentError, compare
from astrid_ml.run.environment import run_identity
from astrid_ml.run.told.dataset import channels_of, simulated_of
from astrid_ml.run.training.rounds import PREDICTION_NODES
from astrid_ml.run.versions import versions
from astrid_ml.splits.plan import fault_of_round

Check = Callable[[], Compared]


def record_checks(bundle: Bundle, digest: str | None) -> list[tuple[str, str, Check]]:
    """(name, what, check) of everything that needs no number.

    Args:
        bundle: that is judged.
        digest: of its metadata, as its author published it; None where nobody gave one.
    """
    return [
        ("files", "each file has the size and SHA-256 that the metadata list", partial(files, bundle)),
        ("digest", "the metadata are those that the author published", partial(published, bundle, digest)),
        ("metadata", "what the metadata say, as record and configuration make it", partial(metadata, bundle)),
        ("code", "made by the versions and the sources that judge here", partial(code, bundle)),
        ("identity", "the configuration is that of the record: identity, seeds, name", partial(identity, bundle)),
        ("checkpoint", "the networks are those of record, split, data and configuration", partial(checkpoint, bundle)),
        ("dataset", "record, networks and description name one dataset", partial(dataset, bundle)),
        ("split", "the split's tables are those that record and networks know", partial(split, bundle)),
        ("groups", "no object or exposure stands in training and in test", partial(groups, bundle)),
    ]


def files(bundle: Bundle) -> Compared:
    """The list against the folder, and against what the record says that the run left."""
    said, there = dict(bundle.listed.files), {name: sized(path) for name, path in bundle.files.items()}
    wrong = [f"{name} is not listed" for name in there if name not in said]
    wrong += [f"{name} is listed and not there" for name in said if name not in there]
    wrong += [f"{name} has another content" for name in said if name in there and said[name] != there[name]]
    wanted = ["config.yaml", "run.json", "metrics.json", "predictions/val.parquet", *map(bundle.place, _rounds(bundle))]
    wrong += [f"{name} belongs to every run" for name in wanted if name not in there and name not in said]
    if wrong:
        return Compared(DIFFERENT, "; ".join(wrong[:8]))
    less = f"; the author says that these are missing: {', '.join(bundle.listed.missing)}"
    return Compared(EQUAL, f"{len(there)} files{less if bundle.listed.missing else ''}")


def _rounds(bundle: Bundle) -> range:
    try:
        return range(bundle.rounds)
    except (PartAbsentError, UserError, LookupError, TypeError, ValueError):
        return range(0)


def published(bundle: Bundle, digest: str | None) -> Compared:
    """The SHA-256 of the metadata, which holds those of all files."""
    if digest is None:
        return Compared(UNKNOWN, "no digest was given (digest=SHA256, as the author printed it)")
    own = file_hash(bundle.folder / METADATA)
    return compare(digest.strip().lower(), own, what="digest")


def metadata(bundle: Bundle) -> Compared:
    """Made again, but for licence, sources and reasons of what is missing: those are the author's to say."""
    listed = bundle.listed
    facts = facts_of(bundle.written, bundle.record, listed.missing, listed.sources, listed.license)
    said, made = small_note(bundle.folder / METADATA), json.loads(metadata_text(facts, listed.files))
    if listed.sources != sources_digest():  # of which other words for a file may come
        said, made = ([_undescribed(part) for part in tree["@graph"]] for tree in (said, made))
    return compare(said, made, what="values of the metadata")


def _undescribed(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "description" or part["@type"] != "File"}


def code(bundle: Bundle) -> Compared:
    """Other versions prove nothing, but they are why numbers may differ."""
    said, own = dict(bundle.record["versions"]), versions()
    listed = bundle.file("constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = constraints(bundle.record).splitlines()
    strange = sorted({*listed}.symmetric_difference(wanted))
    if strange or listed != wanted:
        return Compared(
            DIFFERENT, f"constraints.txt is not what the record gives: {shortened((strange or listed)[0], 100)}"
        )
    other = [f"{name} {said.get(name)}, here {own.get(name)}" for name in said if said.get(name) != own.get(name)]
    if other:
        return Compared(UNKNOWN, f"judged by other versions: {'; '.join(other)}")
    if bundle.listed.sources != sources_digest():
        return Compared(UNKNOWN, "the same versions, but other sources of astrid_ml than those that made the bundle")
    return Compared(EQUAL, f"{len(said)} versions, and the sources of astrid_ml")


def identity(bundle: Bundle) -> Compared:
    """What the configuration decides, hashed; and its seeds and its name, which the record repeats."""
    config, record = bundle.config, bundle.record
    seeds = {
        "seed": config["seed"],
        "data.seed": config["data"]["seed"],
        "split.seed": config["split"].get("seed"),
    }
    found = compare(record["identity"], run_identity(config), what="identity of the configuration")
    found = found.also(compare(record["seeds"], seeds, what="seeds"))
    found = found.also(compare(record["name"], config["name"], what="name"))
    begun = (record.get("init") or {}).get("weights")
    found = found.also(compare(begun, config.get("init_weights"), what="weights that the networks began with"))
    if bundle.text != yaml.safe_dump(bundle.written, sort_keys=False, allow_unicode=True):
        found = found.also(Compared(DIFFERENT, "config.yaml holds more than its values: keys twice, or comments"))
    prepared = [stage["inputs"].get("identity") for stage in record["stages"] if stage["name"] == "prepare"]
    return found.also(compare(prepared, [record["identity"]], what="identity in the stages"))


def checkpoint(bundle: Bundle) -> Compared:
    """Weights, split, data and configuration of every network."""
    found = Compared(EQUAL, f"networks: {bundle.rounds}")
    for number, (record, weights) in enumerate(bundle.checkpoints):
        said = bundle.stage("fit", number) | bundle.stage("calibrate", number)
        own = {"weights": digest_of(dict(weights)), "calibration": digest_of(record.calibration)}
        found = found.also(compare(said, own, what="digests of the stages", where=f"round {number}: "))
        found = found.also(_of_run(bundle, record, f"round {number}: "))
    if bundle.joined is not None:
        record, weights = bundle.joined
        own = {"weights": digest_of(dict(weights)), "calibration": digest_of(record.calibration)}
        found = found.also(compare(bundle.stage("join", 0), own, what="digests of the joined network"))
        found = found.also(_of_run(bundle, record, "joined network: "))
    return found


def _of_run(bundle: Bundle, record: Record, where: str) -> Compared:
    """Whether a checkpoint's record is of this run."""
    said = {
        "dataset": bundle.record["dataset"]["fingerprint"],
        "split": bundle.record["split"]["hash"],
        "versions": bundle.record["versions"],
    }
    own = {
        "dataset": record.dataset_fingerprint,
        "split": (record.sets or {}).get("hash"),
        "versions": record.versions,
    }
    nodes = {name: bundle.config.get(name) for name in PREDICTION_NODES}
    found = compare(said, own, what="marks of the run in a network", where=where)
    one, other = plainly(_bare(nodes)), plainly(_bare(record.config))
    return found.also(compare(one, other, what="keys of a network's configuration", where=where))


def _bare(nodes: dict[str, Any]) -> Any:
    """A configuration by lasting names; a tree of classes that a checkpoint carries in full is its own file's name."""
    return lasting({name: node for name, node in nodes.items() if node is not None})


def dataset(bundle: Bundle) -> Compared:
    """The fingerprint wherever it stands, and the digests of the dataset's files."""
    said = bundle.record["dataset"]["fingerprint"]
    places = {f"round {number}": record.dataset_fingerprint for number, (record, _) in enumerate(bundle.checkpoints)}
    stages = [stage for stage in bundle.record["stages"] if "dataset" in stage["inputs"]]
    places |= {f"stage {stage['name']} {stage['round']}": stage["inputs"]["dataset"] for stage in stages}
    found = compare(dict.fromkeys(places, said), places, what="fingerprints of the dataset")
    meta = bundle.meta
    found = found.also(compare(said, meta.get("fingerprint"), what="fingerprint in dataset.json"))
    counts = {name: bundle.record["dataset"].get(name) for name in ("counts", "domain", "drops_by_reason", "failed")}
    counts |= {"labels": bundle.record.get("labels"), "simulated": bundle.record["dataset"].get("simulated")}
    own = {name: meta.get(name) for name in counts} | {"simulated": simulated_of(meta)}
    counts["channels"], own["channels"] = bundle.record["dataset"].get("channels") or [], channels_of(meta)
    found = found.also(compare(counts, own, what="counts and labels of dataset.json"))
    bundle.file(f"dataset/{FILE}")
    digests = read_digests(bundle.folder / "dataset", meta)
    return found.also(_described(bundle, {name: digest for name, (_, digest) in digests.items()}))


def _described(bundle: Bundle, digests: dict[str, str]) -> Compared:
    """Croissant's digests of files that the dataset has digests of."""
    content = bundle.mapping("dataset/croissant.json")
    listed = [part for part in content["distribution"] if part.get("contentUrl") in digests]
    said = {part["contentUrl"]: part.get("sha256") for part in listed}
    found = compare(said, {name: digests[name] for name in said}, what="digests in Croissant")
    known = bundle.record["dataset"]["fingerprint"] in str(content.get("description"))
    return found if known else found.also(Compared(DIFFERENT, "Croissant does not name the dataset's fingerprint"))


def split(bundle: Bundle) -> Compared:
    """Hash, and which samples each network learned from and was tested on."""
    plan, found = bundle.plan, compare(bundle.record["split"]["hash"], bundle.plan.hash, what="hash of the split")
    for number, (table, (record, _)) in enumerate(zip(plan.rounds, bundle.checkpoints, strict=True)):
        fault = fault_of_round(table, table["id"].astype(str).drop_duplicates())
        if fault is not None:
            return Compared(DIFFERENT, f"round {number}: expected {fault[0]}; got {fault[1]}")
        if record.digest is None:
            continue
        learned = table["id"][table["fold"].isin(("train", "val"))]
        tested = table["id"][table["fold"] == "test"]
        for name, ids, known in (
            ("learned from", learned, record.digest.ids),
            ("tested on", tested, record.digest.tested),
        ):
            apart = np.setxor1d(hashes(ids).numpy(), known.numpy())
            if len(apart):
                return Compared(DIFFERENT, f"round {number}: the network was {name} {len(apart)} other samples")
        said = [row for row in bundle.record["split"]["counts"] if row["round"] == number]
        counts = {row["fold"]: row["samples"] for row in said}
        own = {fold: int((table["fold"] == fold).sum()) for fold in counts}
        found = found.also(compare(counts, own, what="counts of folds", where=f"round {number}: "))
    return found


def groups(bundle: Bundle) -> Compared:
    """Groups of the test fold that a network learned from, by the hashes in it; leaks that the audit told are known."""
    audit = bundle.record["audit"]
    told = any(finding["kind"] in ("shared group", "shared id") for finding in audit["findings"])
    crossing, tested = 0, 0
    for number, (record, _) in enumerate(bundle.checkpoints):
        test, val = bundle.of_round("test", number), bundle.of_round("val", number)
        if not len(test):
            return Compared(UNKNOWN, "the run had no test fold")
        if record.digest is None:
            return Compared(UNKNOWN, f"the network of round {number} does not say what it learned from")
        names = test["group_id"].astype(str).drop_duplicates()
        both = np.isin(hashes(names).numpy(), record.digest.groups.numpy())
        both |= names.isin(val["group_id"].astype(str)).to_numpy()
        crossing, tested = crossing + int(both.sum()), tested + len(names)
    words = f"{crossing} of {tested} groups of the test fold were learned from"
    if audit["mode"] == "off" and crossing:
        return Compared(UNKNOWN, f"{words}; the run's audit was off and says nothing")
    if bool(crossing) != told:
        return Compared(DIFFERENT, words if crossing else "the run's audit tells of shared groups that are not there")
    return Compared(EQUAL, f"{words}, as the audit says" if told else f"{tested} groups of the test fold")
