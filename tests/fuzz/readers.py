"""Where files are decoded: found in the source, and each told which kind of file reaches it."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import astrid_ml

ROOT = Path(astrid_ml.__file__).parent
# Calls that decode a file: the attribute or name that is called, with what it must be called on ("" for anything).
DECODERS = {
    ("open", "fits"), ("open_checked", ""), ("open", "astropy_fits"), ("read", "Table"),
    ("read_csv", ""), ("read_parquet", "pd"), ("read_schema", ""), ("read_metadata", ""), ("ParquetFile", ""),
    ("read_table", "pq"), ("File", "h5py"), ("load", "np"), ("memmap", "np"), ("load", "torch"), ("reader", "fastavro"),
    ("schemaless_reader", "fastavro"), ("BZ2File", "bz2"), ("LZMAFile", "lzma"),
    ("CompressedInputStream", "pa"), ("memory_map", "pa"),
    ("open", "tarfile"), ("open", "gzip"), ("decompress", "gzip"), ("GzipFile", "gzip"), ("safe_load", "yaml"),
    ("load_yaml", ""), ("loads", "json"), ("load", "json"), ("ZipFile", "zipfile"), ("fromstring", "np"),
    ("frombuffer", "np"),
}  # fmt: skip


def decoding() -> set[str]:
    """``package.module:function`` of every function that decodes a file."""
    found: set[str] = set()
    folders = os.walk(ROOT, followlinks=True)  # in a checkout some rooms are links
    paths = (Path(folder, name) for folder, _, names in folders for name in names if name.endswith(".py"))
    for path in sorted(paths):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found |= {f"{module}:{node.name}" for call in ast.walk(node) if _decodes(call)}
    return found


def _decodes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        on = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        return (node.func.attr, on) in DECODERS or (node.func.attr, "") in DECODERS
    return isinstance(node.func, ast.Name) and (node.func.id, "") in DECODERS


# Readers of files that users give, and the kind that reaches each: tests/fuzz/test_readers.py holds both to it.
REACHED = {
    "avro:_schema_of": "alert, Avro",
    "avro:_decoded": "alert, Avro",
    "avro:records": "alert, Avro",
    "checkpoint.load:read_checkpoint": "checkpoint",
    "checkpoint.predictions:read_predictions": "predictions",
    "commands.send:_is_image": "sent, FITS",
    "crossmatch.catalogue:_column": "catalogue, parquet",
    "crossmatch.catalogue:_schema": "catalogue, parquet",
    "dataset.record_sets:table_records": "split, parquet",
    "described.parquet:meanings_in": "catalogue, parquet",
    "dataset.digests:read_digests": "dataset.json",
    "dataset.pages:open_pages": "dataset.json",
    "dataset.pages:read_pages": "dataset.json",
    "hdf5:open_hdf5": "stamps, HDF5",
    "files:read_arrays": "ramp's truth, npz",
    "files:read_note": "dataset.json",
    "preprocessing.ramps.judge.truth:read_steps": "ramp's truth, npz",
    "fits_headers:open_checked": "frame, FITS",
    "fits_headers:refuse_impossible": "frame, FITS",
    "inflating:inflates_beyond": "curves, CSV.gz",
    "inflating:read_inflated": "curves, text.gz",
    "inflating:start_of_gzip": "curves, text.gz",
    "preprocessing.acquisition.targets.origins:open_supernovae": "supernovae, JSON",
    "preprocessing.alerts.archives:_walk": "alerts, tar.gz",
    "preprocessing.alerts.documents:_parsed": "alerts, JSON lines",
    "preprocessing.alerts.messages:_body": "alerts, messages",
    "preprocessing.alerts.messages:number_of": "alerts, registry's answer",
    "preprocessing.alerts.messages:_content": "alerts, schema",
    "preprocessing.alerts.packed:_inflating": "alerts, JSON lines.zst",
    "avro:_zstandard": "alerts, Avro of zstandard",
    "preprocessing.alerts.files:table_has_cutouts": "alerts, parquet",
    "preprocessing.alerts.files:read_parquet": "alerts, parquet",
    "preprocessing.alerts.files:row_groups": "alerts, parquet",
    "preprocessing.alerts.files:rows_before": "alerts, parquet",
    "preprocessing.alerts.stamp_fits:open_fits": "alert, Rubin JSON",
    "preprocessing.alerts.stamp_fits:read_lean": "alert, Avro",
    "preprocessing.differencing.epochs.forced:read_epoch": "difference image",
    "preprocessing.differencing.frame.hdus:open_fits": "frame, FITS",
    "preprocessing.lightcurves.commands.convert:repeated": "curves, SNANA PHOT",
    "preprocessing.lightcurves.curves.exchange:is_exchange": "curves, ELAsTiCC pq",
    "preprocessing.lightcurves.curves.exchange:read_exchange": "curves, converted",
    "preprocessing.lightcurves.readers.fits_table:blocks": "curves, SNANA PHOT",
    "preprocessing.lightcurves.readers.fits_table:open_table": "curves, SNANA PHOT",
    "preprocessing.lightcurves.readers.layouts.rows:_parsed": "curves, broker JSON",
    "preprocessing.lightcurves.readers.layouts.rows:_of_text": "curves, forced",
    "preprocessing.lightcurves.curves.row_blocks:_columns": "curves, ELAsTiCC CSV",
    "preprocessing.lightcurves.curves.row_blocks:_first_line": "curves, ELAsTiCC CSV",
    "preprocessing.lightcurves.curves.row_blocks:_names_in": "curves, ELAsTiCC CSV",
    "preprocessing.lightcurves.curves.row_blocks:read_any": "curves, ELAsTiCC CSV",
    "preprocessing.lightcurves.curves.row_blocks:row_blocks": "curves, PLAsTiCC",
    "preprocessing.lightcurves.readers.magnitude_files:epochs_of": "curves, CSV an object",
    "preprocessing.lightcurves.curves.catalogues:objects_of": "curves, CSV an object",
    "preprocessing.lightcurves.readers.magnitude_files:opened": "curves, tar.gz",
    "preprocessing.lightcurves.readers.layouts.nests:is_nested_parquet": "curves, nested pq",
    "preprocessing.lightcurves.readers.layouts.rows:_of_fits": "curves, FITS table",
    "preprocessing.lightcurves.readers.layouts.rows:_of_parquet": "curves, lists pq",
    "preprocessing.lightcurves.readers.layouts.wire:_schema": "curves, message",
    "preprocessing.lightcurves.readers.layouts.wire:messages_in": "curves, message",
    "preprocessing.lightcurves.readers.nested_alerts:is_nested_avro": "curves, nested Avro",
    "preprocessing.lightcurves.readers.alert_tables:of_parquet": "curves, nested pq",
    "preprocessing.lightcurves.curves.row_blocks:is_large": "curves, ELAsTiCC pq",
    "preprocessing.lightcurves.readers.snana:column_of": "curves, SNANA PHOT",
    "preprocessing.ramps.commands.predict:_processed": "ramp, npy",
    "preprocessing.ramps.commands.predict:_write": "ramp, npy",
    "preprocessing.ramps.commands.predict:exposure": "ramp, npy",
    "preprocessing.ramps.products.write:copied_headers": "ramp, FITS cube",
    "preprocessing.ramps.readers.asdf_files:array": "ramp, Roman ASDF",
    "preprocessing.ramps.readers.asdf_files:read_roman": "ramp, Roman ASDF",
    "preprocessing.ramps.readers.auto:recognise": "ramp, npy",
    "preprocessing.ramps.readers.containers:_planes": "ramp, npz",
    "preprocessing.ramps.readers.containers:read_npz": "ramp, npz",
    "preprocessing.ramps.readers.crds:_fitting": "ramp's gain, CRDS",
    "preprocessing.ramps.readers.cube:_inflated": "ramp, FITS.gz",
    "preprocessing.ramps.readers.cube:image_of": "ramp, FITS cube",
    "preprocessing.ramps.readers.cube:read_extensions": "ramp, a read an HDU",
    "preprocessing.ramps.readers.cube:read_fits_cube": "ramp, FITS cube",
    "preprocessing.ramps.readers.folder:_frame": "ramp, a read a file",
    "preprocessing.ramps.readers.folder:_header": "ramp, a read a file",
    "preprocessing.ramps.readers.jwst:read_jwst": "ramp, JWST uncal",
    "preprocessing.ramps.readers.maps:_meanings": "ramp's mask, FITS",
    "preprocessing.ramps.readers.maps:coefficients": "ramp's linearity, FITS",
    "preprocessing.ramps.readers.maps:read_map": "ramp's gain, FITS",
    "preprocessing.ramps.readers.containers:_plain_or_spooled": "ramp, HDF5",
    "preprocessing.ramps.readers.wfc3:read_wfc3": "ramp, WFC3 IMA",
    "preprocessing.roman.job.catalogues:read_table": "Roman, image",
    "preprocessing.roman.job.find:_read_list": "Roman, field list",
    "preprocessing.roman.job.frames:open_plane": "Roman, image",
    "preprocessing.roman.job.old_dataset:_rows": "Roman, master_index",
    "preprocessing.roman.job.old_dataset:plan": "Roman, master_index",
    "preprocessing.roman.job.truth:_read": "Roman, image",
    "preprocessing.triplets.sets:_inner": "stamps, parquet",
    "preprocessing.stamp_folders.reader:_flat_columns": "folder, parquet",
    "preprocessing.stamp_folders.reader:_pictures": "folder, pictures",
    "preprocessing.triplets.containers.stacks:_list_npz": "stamps, npz",
    "preprocessing.triplets.containers.stacks:_list_parquet": "stamps, parquet",
    "preprocessing.triplets.containers.stacks:_read_parquet": "stamps, parquet",
    "preprocessing.triplets.containers.stacks:_read_npz": "stamps, npz",
    "preprocessing.triplets.containers.units:_of_npz": "stamps, npz",
    "preprocessing.triplets.containers.arrow_tables:_arrow_table": "stamps, Arrow",
    "referee.opened:written": "bundle, configuration",
    "table_files:read_parquet": "predictions",
    "tables:_astropy": "table, ECSV",
    "csv_text:read_csv_text": "table, CSV",
    "tables:_read": "table, CSV",
    "taxonomy:load_taxonomy": "tree of classes",
}

# Modules that decode what astrid itself wrote into a folder of its own, and what speaks for them instead.
OWN = {
    "column_kinds": "tables that were read before: parts of ours, candidates",
    "cli": "run folders and sweeps of this project; tests/cli damages them",
    "commands.fsck": "looks for damage; tests/commands damages every kind of file that it knows",
    "commands.new": "its own templates",
    "checkpoint.predictions:brief_columns": "tables that the command has just written",
    "checkpoint.record": "bytes inside a checkpoint, reached by the kind of that name where a digest stands in it",
    "dataset.croissant:write_table_croissant": "writes; the kind Roman, master_index reads that table",
    "dataset.record_sets:csv_schema": "the same",
    "dataset.exported": "writes",
    "described.columns": "its own list of columns",
    "described.formats": "writes",
    "experiments.leaderboard:experiment_of": "words of its own command",
    "found": "says what stands at a path, of files that were refused already",
    "identity": "its own list of fields",
    "hdf5:look_at_hdf5": "runs in a process beside; tests/ground/test_apart.py",
    "inflating:look_at_parquet": "the same",
    "inflating:_read_first": "the same",
    "inflating:shared_bytes": "views of texts in Arrow tables; tests/ground/test_inflating.py makes them",
    "inflating:_text_bytes": "texts in dictionaries that swell; tests/ground/test_inflating.py makes them",
    "models.commands.baseline": "a run folder",
    "pipeline": "the store, whose damaged marks are made again; tests/chaos, tests/pipeline",
    "splits.sealed": "its own account of what was opened",
    "preprocessing.acquisition.archives": "answers of servers; tests/preprocessing/acquisition plays their faults",
    "preprocessing.acquisition.client": "the same",
    "preprocessing.acquisition.simulate": "the archive that it simulated",
    "preprocessing.acquisition.stages": "its own records; tests/chaos kills it between any two of them",
    "preprocessing.lightcurves.commands.scattered": "tables of its own chunks, by their digests",
    "preprocessing.acquisition.triplets": "its own records, and pairs that the command has just subtracted",
    "preprocessing.differencing.commands.difference_many": "tables that the command has just written",
    "preprocessing.differencing.commands.epochs:measure_all": "tables that the command has just written",
    "preprocessing.differencing.commands.products": "writes",
    "preprocessing.differencing.commands.recover_pair:recoveries": "tables that the command has just written",
    "preprocessing.ramps.commands.score_exposure": "its own parts; the truth is read by the kind of that name",
    "preprocessing.ramps.products.asdf_products": "writes",
    "preprocessing.ramps.products.fits_planes": "writes",
    "preprocessing.ramps.ramp.patches_hdf5:write_patches": "writes",
    "preprocessing.ramps.ramp.stored": "a file of the temporary folder that it has just made",
    "preprocessing.ramps.simulate": "writes",
    "preprocessing.roman.export": "frames of a store",
    "preprocessing.roman.report": "a table of the store",
    "preprocessing.simulated_sky": "writes",
    "preprocessing.triplets.containers.arrow_tables:columns_of_bytes": "asked of tables in which no stamps were found",
    "referee.commands.bundle": "run folders; tests/referee damages them",
    "referee.opened:plainly": "what it wrote a line before",
    "referee.records:metadata": "text that it has just made",
    "run": "run folders; tests/run damages them",
    "shipped": "the package's own weights, by their digests",
}


def is_own(reader: str) -> bool:
    """Whether a function decodes what astrid itself wrote."""
    return any(reader == name or reader.startswith((f"{name}.", f"{name}:")) for name in OWN)
