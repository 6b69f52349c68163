"""``astrid referee``: a bundle judged item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.csv_text import marked
from astrid_ml.errors import UserError
from astrid_ml.files import write_json, write_text
from astrid_ml.progress import waiting
from astrid_ml.ranks import say
from astrid_ml.reasons import shortened
from astrid_ml.referee.data import DataAgain
from astrid_ml.referee.numbers import Numbers
from astrid_ml.referee.opened import Bundle
from astrid_ml.referee.page import referee_page
from astrid_ml.referee.records import record_checks
from astrid_ml.referee.verdicts import DIFFERENT, Compared, Item, judged


@dataclass(frozen=True)
class RefereeCommand:
    """Compute again what a bundle says.

    Args:
        input: the bundle.
        output_dir: gets ``referee.json``, ``referee.csv``, ``referee.html``.
        dataset: the prepared dataset of the run; None checks what needs none.
        digest: SHA-256 of the bundle's metadata, as its author published it.
        device: where networks compute.
        trust: classes outside this project that the bundle's configuration may name.
    """

    input: str
    output_dir: str
    dataset: str | None = None
    digest: str | None = None
    device: str = "cpu"
    trust: Sequence[str] = ()

    def __post_init__(self) -> None:
        given = self.digest
        if given is not None and (len(given.strip()) != 64 or set(given.strip().lower()) - set("0123456789abcdef")):
            raise UserError(
                "digest=SHA256, 64 letters and digits", shortened(repr(given), 80), "copy what astrid bundle printed"
            )

    def run(self) -> dict[str, Any]:
        """Judge and write.

        Returns:
            Each item with its verdict; ``failed`` counts those that differ.

        Raises:
            UserError: there is no bundle.
        """
        bundle, out = Path(self.input).resolve(), Path(self.output_dir).resolve()
        if out == bundle or bundle in out.parents:
            raise UserError(
                "output_dir= outside the bundle", self.output_dir, "name a folder beside it: it is evidence"
            )
        items = referee(Path(self.input), self.dataset, self.digest, self.device, self.trust)
        counts = Counter(item.verdict for item in items)
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [asdict(item) for item in items]
        write_json(folder / "referee.json", {"input": self.input, "verdicts": counts, "items": rows})
        write_text(folder / "referee.csv", marked(pd.DataFrame(rows)).to_csv(index=False))
        write_text(folder / "referee.html", referee_page(Path(self.input).name, items))
        told = {item.name: f"{item.verdict}: {item.found}" for item in items}
        verdict = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        return {**told, "verdict": verdict, "page": str(folder / "referee.html"), "failed": counts[DIFFERENT]}


def referee(
    folder: Path, dataset: str | None = None, digest: str | None = None, device: str = "cpu", trust: Sequence[str] = ()
) -> list[Item]:
    """Judge a bundle.

    Args:
        folder: the bundle.
        dataset: the prepared dataset of its run.
        digest: of its metadata.
        device: where networks compute.
        trust: classes outside this project that its configuration may name.

    Raises:
        UserError: there is no bundle, or no dataset at the place that was given.
    """
    items = []
    for name, what, check in checks_of(Bundle(folder, trust), dataset, digest, device):
        with waiting(name):
            items.append(judged(name, what, check))
        say(f"{name}: {items[-1].verdict}")
    return items


def checks_of(
    bundle: Bundle, dataset: str | None = None, digest: str | None = None, device: str = "cpu"
) -> list[tuple[str, str, Callable[[], Compared]]]:
    """(name, what, check) of every item, in the order in which they are judged.

    Args:
        bundle: that is judged.
        dataset: see :func:`referee`.
        digest: see :func:`referee`.
        device: see :func:`referee`.

    Raises:
        UserError: there is no bundle, or no dataset at the place that was given.
    """
    _ = bundle.listed, bundle.files  # what is no bundle at all is refused, not judged
    again = DataAgain(bundle, dataset, device)
    return [*record_checks(bundle, digest), *Numbers(bundle).checks(), *again.checks()]
