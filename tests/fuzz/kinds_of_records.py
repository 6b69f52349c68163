"""Tables, labels, trees, checkpoints, weights, predictions and datasets that somebody else gives a user."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from astropy.table import Table
from kind import Counts, FileKind, whole

POSITIONS = {"id": ["a", "b"], "ra": [1.5, 2.5], "dec": [3.0, -4.0]}


def table(place: Path) -> Counts:
    """A table of positions; one without rows is no damage."""
    from astrid_ml.tables import read_table

    read = read_table(place, {"id": "text", "ra": "deg", "dec": "deg"})
    return {"samples": 1 + len(read.rows), "dropped": len(read.dropped), "failed": 0}


def astropy_table(name: str, form: str) -> Callable[[Path], Path]:
    """A maker of a table in a format of astropy's."""

    def make(folder: Path) -> Path:
        Table(POSITIONS).write(folder / name, format=form)
        return folder / name

    return make


def make_zipped_csv(folder: Path) -> Path:
    (folder / "a.csv.gz").write_bytes(gzip.compress(pd.DataFrame(POSITIONS).to_csv(index=False).encode()))
    return folder / "a.csv.gz"


def make_labels(folder: Path) -> Path:
    pd.DataFrame({"id": ["a", "b", "c"], "label": [0, 1, 1]}).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def make_labels_votable(folder: Path) -> Path:
    Table({"id": ["a", "b", "c"], "label": [0, 1, 1]}).write(folder / "labels.xml", format="votable")
    return folder / "labels.xml"


def labels(place: Path) -> Counts:
    """Labels of samples from a person's table."""
    from astrid_ml.preprocessing.labels import TableLabel

    index = pd.DataFrame({"id": pd.array(["a", "b", "c"], dtype="string")})
    out, _ = TableLabel(str(place)).apply(index)
    known = int(out["label"].notna().sum())
    return {"samples": known, "dropped": len(out) - known, "failed": 0}


def make_supernovae(folder: Path) -> Path:
    event = {"name": "SN2014J", "ra": [{"value": "09:55:42.15"}], "dec": [{"value": "+69:40:25.9"}]}
    event |= {"discoverdate": [{"value": "2014/01/21", "source": "1"}], "claimedtype": [{"value": "Ia"}]}
    other = event | {"name": "SN2011fe", "discoverdate": [{"value": "2011/08/24"}]}
    (folder / "catalog.json").write_text(json.dumps([event, other]))
    return folder / "catalog.json"


def supernovae(place: Path) -> Counts:
    """Targets of a catalogue of transients."""
    from astrid_ml.preprocessing.acquisition.targets.catalogue import read_targets

    read = read_targets(place)
    return {"samples": len(read), "dropped": len(read.dropped), "failed": 0}


def make_tree(folder: Path) -> Path:
    from astrid_ml import taxonomy as module

    source = Path(module.__file__).parent / "taxonomies" / "bts.yaml"
    shutil.copy(source, folder / "tree.yaml")
    return folder / "tree.yaml"


def tree(place: Path) -> Counts:
    from astrid_ml.taxonomy import load_taxonomy

    return whole(len(load_taxonomy(str(place)).children))


def make_checkpoint(folder: Path) -> Path:
    from made.untrained import untrained

    work = folder.parent / f"{folder.name} work"
    shutil.copy(untrained(work).checkpoint, folder / "best.ckpt")
    shutil.rmtree(work)
    return folder / "best.ckpt"


def checkpoint(place: Path) -> Counts:
    """A checkpoint that is asked for its network: what it brings is data, and never run."""
    from astrid_ml.checkpoint.load import load_model

    return whole(len(load_model(place).tasks))


def make_keras(folder: Path) -> Path:
    from made.weights import write_keras

    write_keras(folder / "d6_m7.weights.h5")
    return folder / "d6_m7.weights.h5"


def keras(place: Path) -> Counts:
    from astrid_ml.models.commands.import_weights import read_keras_weights

    return whole(len(read_keras_weights(place)))


def make_predictions(folder: Path) -> Path:
    from astrid_ml.checkpoint.predictions import write_predictions

    for name in ("one", "two"):
        score = np.linspace(0.1, 0.9, 40)
        table = pd.DataFrame({"id": [f"s{n}" for n in range(40)], "group_id": "g", "score": score})
        label = (np.arange(40) % 3 == 0).astype(np.int8)
        write_predictions(table.assign(label=label), folder / name / "predictions" / "test.parquet")
    return folder / "one" / "predictions" / "test.parquet"


def compared(place: Path) -> Counts:
    """Two runs compared by their predictions."""
    from astrid_ml.commands.compare import CompareCommand

    folder = place.parents[2]
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    CompareCommand([str(folder / "one"), str(folder / "two")], str(out), replicates=20).run()
    return whole(1)


def dataset_file(pattern: str) -> Callable[[Path], Path]:
    """A maker of a prepared dataset that returns one of its files."""

    def make(folder: Path) -> Path:
        from astrid_ml.pipeline.engine import prepare_dataset
        from astrid_ml.preprocessing.labels import TruthLabel
        from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
        from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets

        raw = folder.parent / f"{folder.name} raw"
        raw.mkdir(exist_ok=True)
        SimulateTriplets(n=12, missions=("ztf",), prevalence=0.5).run(raw, seed=1)
        made = prepare_dataset(
            TripletsPipeline(), [raw], folder, name="triplets", labeller=TruthLabel(), progress=False
        )
        shutil.rmtree(raw)
        return next(path for path in sorted(made.path.rglob(pattern)) if path.is_file())

    return make


def dataset(place: Path) -> Counts:
    """A prepared dataset opened and read from end to end."""
    from astrid_ml.dataset.prepared import PreparedDataset

    folder = next(parent for parent in place.parents if (parent / "dataset.json").exists())
    opened = PreparedDataset(folder)
    rows = np.arange(len(opened.index))
    return whole(len(opened.gather("stamps", rows)))


def croissant(place: Path) -> Counts:
    """The description of a dataset, held against its files; what is wrong is listed."""
    from astrid_ml.commands.croissant import CroissantCommand

    done = CroissantCommand(str(place)).run()
    return {"samples": int(not done["failed"]), "dropped": 0, "failed": int(done["failed"])}


def make_split(folder: Path) -> Path:
    dataset_file("dataset.json")(folder)
    made = next(folder.rglob("dataset.json")).parent
    ids = pd.read_parquet(made / "index.parquet")["id"]
    parts = [("train", "val", "test")[n % 3] for n in range(len(ids))]
    pd.DataFrame({"id": ids, "fold": parts}).to_parquet(folder / "split.parquet")
    return folder / "split.parquet"


def split(place: Path) -> Counts:
    """A dataset described together with a split of it."""
    from astrid_ml.commands.croissant import CroissantCommand

    made = next(place.parent.rglob("dataset.json")).parent
    done = CroissantCommand(str(made), splits=str(place), rewrite=True).run()
    return {"samples": int(not done["failed"]), "dropped": 0, "failed": int(done["failed"])}


def make_catalogue(folder: Path) -> Path:
    pd.DataFrame({**POSITIONS, "mag": [15.0, 16.0]}).to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def catalogue(place: Path) -> Counts:
    """A catalogue that is matched to places of a user; columns come by row, so all of them are read."""
    from astrid_ml.crossmatch.catalogue import open_catalogue
    from astrid_ml.crossmatch.join import columns_beside
    from astrid_ml.crossmatch.match import match_places
    from astrid_ml.crossmatch.places import Given, SkyPlaces

    here = SkyPlaces(np.array([[1.5, 3.0], [2.5, -4.0]]))
    opened = open_catalogue(place, "a", Given(), here, 1.0)
    columns_beside(2, opened, match_places(here, opened.places, 1.0))
    return whole(1 + len(opened.places))


def sent(place: Path) -> Counts:
    """A file on its way to another program: what it is decides the message."""
    from astrid_ml.commands.send import message_of

    message_of(place, place.parent)
    return whole(1)


def bundle_file(name: str) -> Callable[[Path], Path]:
    """A maker of a bundle, as far as a referee reads it before networks are asked, that returns one of its files."""

    def make(folder: Path) -> Path:
        from made.bundles import sealed
        from made.untrained import untrained

        from astrid_ml.files import write_json, write_text
        from astrid_ml.referee.crate import METADATA
        from astrid_ml.run.environment import run_identity

        work = folder.parent / f"{folder.name} run"
        work.mkdir()
        made = untrained(work)
        write_text(folder / "config.yaml", yaml.safe_dump(made.config))
        seeds = {"seed": made.config["seed"], "data.seed": made.config["data"]["seed"]}
        record = {"name": made.config["name"], "identity": run_identity(made.config), "stages": [], "versions": {}}
        record["dataset"] = {"domain": "stamps", "fingerprint": ""}
        record |= {"seeds": seeds, "split": {"name": "group", "counts": [], "account": {}, "hash": ""}}
        write_json(folder / "run.json", record)
        write_json(folder / METADATA, {"@graph": []})
        sealed(folder)
        shutil.rmtree(work)
        return folder / name

    return make


def judged_bundle(place: Path) -> Counts:
    """All items of a bundle; what is damaged is said of each of them."""
    from astrid_ml.referee.commands.referee import referee

    return whole(len(referee(place.parent)))


KINDS = (
    FileKind("bundle, metadata", bundle_file("ro-crate-metadata.json"), judged_bundle),
    FileKind("bundle, record", bundle_file("run.json"), judged_bundle),
    FileKind("bundle, configuration", bundle_file("config.yaml"), judged_bundle),
    FileKind("catalogue, parquet", make_catalogue, catalogue),
    FileKind("sent, FITS", astropy_table("a.fits", "fits"), sent),
    FileKind("table, CSV.gz", make_zipped_csv, table),
    FileKind("table, VOTable", astropy_table("a.xml", "votable"), table),
    FileKind("table, FITS", astropy_table("a.fits", "fits"), table),
    FileKind("labels, CSV", make_labels, labels),
    FileKind("labels, VOTable", make_labels_votable, labels),
    FileKind("supernovae, JSON", make_supernovae, supernovae),
    FileKind("tree of classes", make_tree, tree),
    FileKind("checkpoint", make_checkpoint, checkpoint),
    FileKind("weights, Keras HDF5", make_keras, keras),
    FileKind("predictions", make_predictions, compared),
    FileKind("dataset.json", dataset_file("dataset.json"), dataset),
    FileKind("dataset, index", dataset_file("index.parquet"), dataset),
    FileKind("dataset, arrays", dataset_file("*.npy"), dataset),
    FileKind("Croissant", dataset_file("croissant.json"), croissant),
    FileKind("split, parquet", make_split, split),
)
