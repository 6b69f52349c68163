"""``astrid difference input=MANIFEST``: each pair of a manifest into its own folder, and all candidates as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from astrid_ml.column_kinds import settled_types
from astrid_ml.described.columns import TableMeaning
from astrid_ml.described.formats import formats_of, write_formats_of
from astrid_ml.described.parquet import ParquetMeaning
from astrid_ml.errors import UserError
from astrid_ml.executors.local import Serial
from astrid_ml.files import whole, write_json
from astrid_ml.fingerprint import file_hash
from astrid_ml.pipeline.parts import PARTS, Part, do_parts, in_short, said_of_share
from astrid_ml.pipeline.shards import SHARDS, Share, share_of
from astrid_ml.places import distinct_names
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.frame.manifest import find_pairs, frame_files, said_of_frames
from astrid_ml.preprocessing.differencing.frame.pair import Pair
from astrid_ml.reasons import in_words, mend
from astrid_ml.table_files import ending, longest_texts

FORM = 4  # of the products: raised when the same pair and settings give something else
MEANING = TableMeaning("candidates")  # of all pairs: their images may have different units
TAKEN = (PARTS, SHARDS, "report.json", "candidates.parquet", "made_by.json")


def difference_manifest(command: Any, manifest: str) -> dict[str, Any]:
    """Subtract each pair of a manifest.

    Args:
        command: with all settings.
        manifest: a table of pairs, or a folder that holds one.

    Raises:
        UserError: no manifest, or no pair can be subtracted.
    """
    return difference_pairs(command, find_pairs([Path(manifest)]), [Path(manifest)])


def difference_pairs(command: Any, pairs: Sequence[Pair], roots: Sequence[Path]) -> dict[str, Any]:
    """Subtract each pair that is not done; one that fails is named in the report and the others go on.

    Args:
        command: with all settings.
        pairs: of a manifest, or the chips of two files.
        roots: files and folders that the user named.

    Raises:
        UserError: no pair can be subtracted.
    """
    share = share_of(command.shard)
    names = folder_names(pairs)
    output = Path(command.output_dir)
    results = subtract_each(command, pairs, names, roots, share)
    if results is None:
        return {**said_of_share(output, share), "output_dir": command.output_dir}
    done = {name: result for name, result in zip(names, results, strict=True) if isinstance(result, dict)}
    lost = {name: in_short(error) for name, error in zip(names, results, strict=True) if isinstance(error, Exception)}
    candidates = sum(result["candidates"] for result in done.values())
    report = {
        "pairs": len(pairs),
        "candidates": candidates,
        "failed": len(lost),
        "failed_pairs": [{"pair": name, "reason": reason} for name, reason in lost.items()],
        "by_pair": [{"pair": name, **result} for name, result in done.items()],
    }
    if not done:  # the folder of a command that was refused goes with what it holds
        got = f"{in_words(list(lost.values()))}; the first is {next(iter(lost))}"
        raise UserError("a pair that can be subtracted", got, mend(lost.values(), "give frames without those faults"))
    write_json(output / "report.json", report)
    joined = output / "candidates.parquet"
    join_candidates([output / name / "candidates.parquet" for name in done], list(done), joined)
    write_formats_of(joined, MEANING, formats_of(command.format))
    shown = {name: report[name] for name in ("pairs", "candidates", "failed")}
    return {**shown, "output_dir": command.output_dir}


def subtract_each(
    command: Any,
    pairs: Sequence[Pair],
    names: Sequence[str],
    roots: Sequence[Path],
    share: Share | None = None,
    forget: bool = True,
) -> list[dict[str, Any] | Exception] | None:
    """Subtract each pair that is not done, into its folder.

    Args:
        command: with all settings.
        pairs: to be subtracted.
        names: of their folders.
        roots: files are known by their place below these.
        share: which of them are done here; None does all.
        forget: pairs that an earlier command had and this one has not are made again should they come back.

    Returns:
        The figures or the exception of each; None where a share is done and others are not here.
    """
    command.model()  # a wrong checkpoint is refused before any work
    output = Path(command.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    return do_parts(
        OnePair(command),
        [_part(command, pair, name) for pair, name in zip(pairs, names, strict=True)],
        output,
        settings=_settings(command),
        executor=command.executor or Serial(),
        share=share,
        what="subtracting",
        roots=roots,
        forget=forget,
    )


@dataclass(frozen=True)
class OnePair:
    """Subtracts a pair in whatever process.

    Args:
        command: with all settings.
    """

    command: Any

    def __call__(self, given: tuple[Pair, str]) -> tuple[dict[str, Any], list[Path]]:
        """What there is to say of a pair, and its files."""
        pair, name = given
        folder = Path(self.command.output_dir) / name
        sides = [_frame(getattr(self.command, side), getattr(pair, side)) for side in ("science", "reference")]
        truth = pair.truth or self.command.truth
        one = replace(
            self.command, science=sides[0], reference=sides[1], truth=truth, input=None, output_dir=str(folder)
        )
        summary = one.one(name)
        return {key: value for key, value in summary.items() if key != "output_dir"}, sorted(
            path for path in folder.iterdir() if path.is_file()
        )


def folder_names(pairs: Sequence[Pair]) -> list[str]:
    """A folder for each pair, beside the files of the whole; names that no folder can have are made possible."""
    return distinct_names([*map(Path, TAKEN), *(Path(pair.name) for pair in pairs)], ending=True)[len(TAKEN) :]


def _frame(given: Frame, line: dict[str, Any]) -> Frame:
    """A frame as the manifest says; what it does not say, as the command does."""
    common = {item.name: getattr(given, item.name) for item in fields(given)}
    return Frame(**{**common, **line})


def _part(command: Any, pair: Pair, name: str) -> Part:
    files = [*frame_files(pair.science), *frame_files(pair.reference)]
    files += [Path(place) for place in (pair.truth or command.truth,) if place]
    return Part(name, (pair, name), tuple(files), decides=said_of_frames(pair))


def _settings(command: Any) -> list[Any]:
    checkpoint = None if command.ckpt_path is None else file_hash(Path(command.ckpt_path))
    steps = [command.pipeline, command.export, command.intermediates, list(formats_of(command.format))]
    return ["difference", FORM, command.science, command.reference, *steps, checkpoint]


def join_candidates(tables: Sequence[Path], pairs: Sequence[str], target: Path) -> None:
    """Candidates of all pairs as one table, one pair after the other, with the column ``pair``.

    Args:
        tables: of the pairs.
        pairs: their names.
        target: the table that is written whole.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # What a pair says of its own columns (the unit of its image) does not hold for all.
    types = settled_types(zip(pairs, tables, strict=True))
    schemas = [
        pa.schema([pa.field(field.name, types.get(field.name, field.type)) for field in pq.read_schema(path)])
        for path in tables
    ]
    schema = pa.unify_schemas(schemas, promote_options="permissive").append(pa.field("pair", pa.string()))
    described, longest = ParquetMeaning(MEANING), Counter[str]()
    schema = described.schema(schema)
    with whole(target) as at, pq.ParquetWriter(at, schema, store_schema=False) as writer:
        for path, pair in zip(tables, pairs, strict=True):
            table = pq.read_table(path).replace_schema_metadata()
            table = table.append_column("pair", pa.array([pair] * len(table), pa.string()))
            columns = [
                table[field.name].cast(field.type)
                if field.name in table.column_names
                else pa.nulls(len(table), field.type)
                for field in schema
            ]
            rows = pa.Table.from_arrays(columns, schema=schema)
            longest |= Counter(longest_texts(rows))
            writer.write_table(rows)
        writer.add_key_value_metadata(ending(schema, described.text_lengths(longest)))
