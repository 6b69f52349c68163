"""``astrid prepare experiment=E paths.raw=RAW paths.data=STORE [dry_run=true]``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from astrid_ml.build import plain
from astrid_ml.places import check_name
from astrid_ml.printable import printable
from astrid_ml.progress import waiting
from astrid_ml.reasons import told
from astrid_ml.run.raw import refuse_without_raw
from astrid_ml.start import importing

SHOWN, MOST_FAILED = 8, 10
TOLD = ("units", "units_failed", "samples", "groups", "dropped")  # counts that are said otherwise

if TYPE_CHECKING:
    from astrid_ml.pipeline.shards import Share


def command(cfg: Any) -> int:
    """Prepare a dataset, or only plan it."""
    with importing(), waiting("loading libraries"):
        from astrid_ml.contracts.columns import columns_of
        from astrid_ml.run.prepare import export, exporter, plan, prepare
        from astrid_ml.run.told.dataset import labels_in_words

    config = plain(cfg)
    if config["dry_run"]:
        print(printable(f"plan: {plan(config)}"))
        return 0
    if config.get("export"):
        exporter(config)  # refuses before the work what cannot be exported after it
    from astrid_ml.pipeline.shards import share_of

    share = share_of(config.get("shard"))
    if share is not None and not share.joins:
        return _share(config, share)
    dataset, outcome = prepare(config)
    print(printable(f"dataset: {dataset.path}"))
    print(printable(f"samples: {len(columns_of(dataset))}"))
    if words := labels_in_words(dataset.meta):
        print(printable(f"labels: {words}"))
    for name, count in accounts_of(dataset.meta):
        print(printable(f"{name}: {count}"))
    if config.get("export"):
        for name, value in export(config, dataset).items():
            print(printable(f"{name}: {value}"))
    if outcome is None:
        return 0
    print(f"units: {outcome.units_done} done, {outcome.units_reused} found again, {len(outcome.units_failed)} failed")
    lost = [f"failed {drop.id}: {drop.reason}" for drop in outcome.units_failed]
    for line in told(lost, MOST_FAILED, f"{dataset.path / 'dataset.json'}, under failed"):
        print(printable(f"  {line}"))
    return 1 if outcome.units_failed else 0


def accounts_of(meta: Mapping[str, Any]) -> list[tuple[str, int]]:
    """What the dataset left out, by reason, and what it counted: eight of each, the most first, then the others."""
    drops = Counter(meta.get("drops_by_reason") or {})
    counts = {name: n for name, n in (meta.get("counts") or {}).items() if name not in TOLD and isinstance(n, int)}
    counted = Counter({name: n for name, n in counts.items() if n > 0})
    left = [(f"left out, {reason}", count) for reason, count in drops.most_common(SHOWN)]
    if len(drops) > SHOWN:
        rest = drops.most_common()[SHOWN:]
        left.append((f"left out, {len(rest)} other reasons", sum(count for _, count in rest)))
    return [*left, *((name.replace("_", " "), count) for name, count in counted.most_common(SHOWN))]


def first(tree: Mapping[str, Any]) -> None:
    """Refuse a preparation with nothing to read, before its libraries are imported."""
    refuse_without_raw(tree)
    check_name(str(tree["name"]))


def _share(config: dict[str, Any], share: Share) -> int:
    from astrid_ml.run.prepare import prepare_part

    outcome = prepare_part(config, share)
    print(f"shard {share}: {outcome.done} units done, {outcome.reused} found again, {len(outcome.failed)} failed")
    for drop in outcome.failed:  # nothing else names them before all shards are published
        print(printable(f"  failed {drop.id}: {drop.reason}"))
    print(printable(f"when all shards are done: astrid publish input={config['paths']['data']}"))
    return 1 if outcome.failed else 0
