"""``astrid convert``: survey files to parquet, one row an object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor
from astrid_ml.executors.local import Serial
from astrid_ml.files import write_json
from astrid_ml.found import found
from astrid_ml.pipeline.contract import each_once
from astrid_ml.preprocessing.lightcurves.curves.exchange import ExchangeWriter
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_sources
from astrid_ml.preprocessing.lightcurves.readers.source import CurveSource
from astrid_ml.reasons import in_words
from astrid_ml.types import Count, InUnits, Positive


@dataclass(frozen=True)
class ConvertCommand:
    """Convert every light-curve file of a folder.

    Args:
        input: a file, a folder, or several.
        output_dir: gets ``objects/part-*.parquet`` (one for each source) and ``report.json``.
        executor: where the files are read; None reads them one after the other.
        wavelengths: effective wavelengths (micrometres) of bands by name, over the built-in ones.
        zero_point: of fluxes in files that do not tell it (31.4 for nJy).
        row_group: objects in a row group.
    """

    input: str | list[str]
    output_dir: str
    executor: Executor | None = None
    wavelengths: Annotated[dict[str, Positive], InUnits("um")] = field(default_factory=dict)
    zero_point: Annotated[float, InUnits("mag")] | None = None
    row_group: Count = 2000

    def run(self) -> dict[str, Any]:
        """Convert; ``failed`` counts the sources that could not be read at all."""
        places = [Path(place) for place in ([self.input] if isinstance(self.input, str) else self.input)]
        absent = [found(place) for place in places if not place.exists()]
        if absent:
            raise UserError("input=FILE or FOLDER that exists", ", ".join(absent[:3]), "check the path")
        sources = find_sources(places)
        folder = Path(self.output_dir) / "objects"
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob("part-*.parquet"):
            part.unlink()  # of an earlier conversion: a source that fails now would leave its old curves among the new
        jobs = [
            ConvertJob(source, folder / f"part-{number:05d}.parquet", self.wavelengths, self.row_group, self.zero_point)
            for number, source in enumerate(sources)
        ]
        executor = self.executor if self.executor is not None and len(jobs) > 1 else Serial()
        results = dict(each_once(executor, convert_one, jobs))
        report = summarise(sources, [results[number] for number in range(len(jobs))])
        report["in_several_sources"] = repeated([(job.source.path.name, job.target) for job in jobs])
        if not report["objects"]:
            lost = [entry["reason"] for entry in (*report["drops"], *report["failed_sources"])]
            fix = "see the reasons; give files of light curves"
            raise UserError("at least one usable curve", in_words(lost), fix)
        write_json(Path(self.output_dir) / "report.json", report)
        named = ("drops", "repairs", "failed_sources", "in_several_sources", "photflag_bits")
        summary = {name: value for name, value in report.items() if name not in named}
        return summary | {"in_several_sources": len(report["in_several_sources"]), "output_dir": self.output_dir}


@dataclass(frozen=True)
class ConvertJob:
    """One source and where it goes.

    Args:
        source: a file, or a group of them.
        target: the part that is written, ``part-<number>.parquet``.
        wavelengths: micrometres by band, over the built-in ones.
        row_group: objects in a row group of the parquet file.
        zero_point: AB, of fluxes in files that do not tell it.
    """

    source: CurveSource
    target: Path
    wavelengths: Mapping[str, float]
    row_group: int
    zero_point: float | None = None


def convert_one(job: ConvertJob) -> tuple[int, int, Account]:
    """Read a source and write its part; returns objects, epochs and the account."""
    if job.source.missing:
        raise UserError(
            f"{', '.join(job.source.missing)} beside {job.source.path.name}", "none", "fetch the whole pair"
        )
    account, epochs = Account(), 0
    with ExchangeWriter(job.target, job.row_group) as writer:
        for table in job.source.read(account, job.wavelengths, job.zero_point):
            writer.write(table)
            epochs += len(table.mjd)
    return writer.objects, epochs, account


def summarise(sources: Sequence[CurveSource], results: Sequence[Any]) -> dict[str, Any]:
    """The content of ``report.json``."""
    total, objects, epochs = Account(), 0, 0
    bits: dict[str, dict[str, int]] = {}
    failed = []
    for source, result in zip(sources, results, strict=True):
        if isinstance(result, BaseException):
            failed.append({"source": str(source.path), "reason": f"{type(result).__name__}: {result}"})
            continue
        objects, epochs = objects + result[0], epochs + result[1]
        name = source.path.name
        if result[2].bits:
            bits[name] = result[2].bits
        result[2].dropped = [{**drop, "source": name} for drop in result[2].dropped]
        result[2].repaired = [{**repaired, "source": name} for repaired in result[2].repaired]
        total.merge(result[2])
    return {
        "sources": len(sources),
        "read": total.read,
        "objects": objects,
        "epochs": epochs,
        "repaired": len(total.repaired),
        "dropped": len(total.dropped),
        "dropped_by_reason": dict(sorted(Counter(drop["reason"] for drop in total.dropped).items())),
        "repaired_by_reason": dict(sorted(Counter(repaired["reason"] for repaired in total.repaired).items())),
        "counts": {name: number for name, number in sorted(total.counts.items()) if number},
        "photflag_bits": bits,
        "failed": len(failed),
        "failed_sources": failed,
        "drops": total.dropped,
        "repairs": total.repaired,
    }


def repeated(parts: Sequence[tuple[str, Path]]) -> list[dict[str, Any]]:
    """Objects that several sources hold, with those sources: both copies stay, a dataset keeps the first."""
    import pyarrow.parquet as pq

    columns = [
        (source, pq.read_table(path, columns=["object_id"])["object_id"]) for source, path in parts if path.is_file()
    ]
    names = pd.Series([name for _, column in columns for name in column.to_pylist()], dtype=object)
    source = np.repeat(
        np.array([source for source, _ in columns], dtype=object), [len(column) for _, column in columns]
    )
    twice = names.duplicated(keep=False).to_numpy()
    found = pd.Series(source[twice]).groupby(names[twice].to_numpy()).agg(list)
    return [{"object_id": str(name), "sources": places} for name, places in found.items()]
