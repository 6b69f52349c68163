"""Types wrong inputs, each in an empty folder, and says which libraries were loaded before each was refused.

python tests/words/early.py FOLDER RESULT.json

A process in which only what every command needs is loaded is copied for each line.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

HEAVY = ("torch", "pytorch_lightning", "astropy", "photutils", "matplotlib", "mlcroissant", "scipy", "sklearn", "h5py")
EXPERIMENT = "experiment=realbogus_triplets"
# Words; ``{I}`` is a folder with a file of each kind. What the message must say.
WRONG: list[tuple[str, str]] = [
    ("train", "paths.raw=FOLDER with raw files"),
    (f"train -m {EXPERIMENT} dataset={{I}}/raw seed=1,2 paths.sweep_dir=a,b", "choose a name without commas"),
    ("convert input={I}/raw output_dir=o wavelengths.u=354", "0.01 to 30"),
    ("depth input={I}/raw output_dir=o zero_point=-500", "-10 to 60"),
    ("forced input={I}/raw positions={I}/a.csv output_dir=o zero_point=-50", "-10 to 60"),
    ("prepare", "paths.raw=FOLDER with raw files"),
    (f"train {EXPERIMENT} dataset=missing", "nothing at missing"),
    (f"train {EXPERIMENT} paths.raw=missing", "nothing at missing"),
    (f"train {EXPERIMENT} paths.data={{I}}/a.csv", "a text file at"),
    (f"train -m {EXPERIMENT} seed=1,abc", "seed: a whole number"),
    (f"train -m {EXPERIMENT} seed=1,,2", "nothing between two commas"),
    (f"train {EXPERIMENT} label=table label.path={{I}}/raw", "write label.path={I}/raw/x.csv"),
    (f"prepare {EXPERIMENT} paths.raw=missing", "nothing at missing"),
    ("predict", "add input=FILE_OR_FOLDER"),
    ("predict input={I}/raw output_dir=o", "add ckpt_path=RUN/checkpoints/best.ckpt"),
    ("predict ckpt_path=none.ckpt input=. output_dir=o", "ckpt_path: nothing at none.ckpt"),
    ("predict ckpt_path={I}/best.ckp input={I}/raw output_dir=o", "did you mean ckpt_path={I}/best.ckpt?"),
    ("predict ckpt_path={I}/run input={I}/raw output_dir=o", "write ckpt_path={I}/run/checkpoints/best.ckpt"),
    ("predict ckpt_path={I}/young input={I}/raw output_dir=o", "that run has no best.ckpt yet"),
    ("predict ckpt_path={I}/a.fits input={I}/raw output_dir=o", "astrid difference reads images"),
    ("predict ckpt_path={I}/best.ckpt input=missing output_dir=o", "input: nothing at missing"),
    ("predict ckpt_path={I}/best.ckpt input={I}/best.ckpt output_dir=o", "ckpt_path= takes it"),
    ("predict ckpt_path={I}/best.ckpt input={I}/raw,{I}/none output_dir=o", "several stand in brackets"),
    ("predict ckpt_path={I}/best.ckpt input={I}/raw output_dir=o device=cdua", "device: auto, cpu, cuda or cuda:N"),
    ("predict ckpt_path={I}/best.ckpt input={I}/raw output_dir=o reader=fits", "reader=auto or one of"),
    ("predict ckpt_path={I}/best.ckpt input={I}/raw output_dir=o format=csv", "format: ecsv or votable or fits"),
    ("predict ckpt_path={I}/best.ckpt input={I}/raw output_dir=o shard=one", "shard: i/n with i from 1 to n"),
    ("evaluate", "add ckpt_path=FILE"),
    ("evaluate ckpt_path={I}/best.ckpt dataset=missing output_dir=o", "dataset: nothing at missing"),
    ("evaluate ckpt_path={I}/best.ckpt dataset={I}/data/index.parquet output_dir=o", "write dataset={I}/data"),
    ("evaluate ckpt_path={I}/best.ckpt dataset={I}/store output_dir=o", "write dataset={I}/store/one"),
    ("evaluate ckpt_path={I}/best.ckpt dataset={I}/data output_dir=o device=gpu", "device: auto"),
    ("inject output_dir=o", "add science=FILE"),
    ("inject science=none.fits output_dir=o", "science: nothing at none.fits"),
    ("inject science={I}/raw output_dir=o", "science: a folder at"),
    ("inject science={I}/a.fits output_dir=o positions=none.csv", "positions: nothing at none.csv"),
    ("difference science={I}/a.fits reference={I}/best.ckpt output_dir=o", "a file of torch (a checkpoint) at"),
    ("difference science={I}/a.fits[1] reference={I}/a.csv output_dir=o", "reference: a text file at"),
    ("difference input={I}/best.ckpt output_dir=o", "a manifest of pairs"),
    ("forced input=missing positions={I}/a.csv output_dir=o", "input: nothing at missing"),
    ("forced input={I}/raw positions={I}/a.fits output_dir=o", "positions=FILE, a table in CSV"),
    ("recover input=missing.csv output_dir=o", "input: nothing at missing.csv"),
    ("associate input=missing output_dir=o", "input: nothing at missing"),
    ("associate input={I}/raw known={I}/a.csv output_dir=o", "known=FILE, a parquet table"),
    ("acquire", "add output_dir=FOLDER"),
    ("acquire acquisition=swift output_dir=o", "swift_uv"),
    ("acquire output_dir=o stage=downlaod", "stage: all or query"),
    ("acquire output_dir=o order=per_night", "order: per_object or per_stage"),
    ("acquire acquisition=best_yield acquisition.catalogue=missing output_dir=o", "nothing at missing"),
    ("depth input=missing output_dir=o", "input: nothing at missing"),
    ("convert input=missing output_dir=o", "input: nothing at missing"),
    ("convert input={I}/raw output_dir={I}/a.csv", "output_dir: a text file at"),
    ("crossmatch input={I}/a.csv catalogues=[missing] output_dir=o", "catalogues: nothing at missing"),
    ("audit dataset=missing", "dataset: nothing at missing"),
    ("audit dataset={I}/a.csv", "dataset: a text file at"),
    ("compare", "runs='[FOLDER,FOLDER]'"),
    ("compare runs=run", "write 'runs=[run,FOLDER]'"),
    ("compare runs=[{I}/run]", "without predictions/test.parquet"),
    ("compare runs=[missing,{I}/run]", "'runs=[RUN,{I}/run]'"),
    ("baseline run_dir={I}/raw", "a finished run with a test fold"),
    ("croissant dataset=missing", "dataset: nothing at missing"),
    ("croissant dataset={I}/data splits={I}/a.csv", "splits=FILE, a parquet table"),
    ("fsck input=missing", "input: nothing at missing"),
    ("import-weights input=missing.h5 variant=d6_m7 ckpt_path=c.ckpt", "input: nothing at missing.h5"),
    ("import-weights input={I}/w.h5 variant=d9 ckpt_path=c.ckpt", "variant: d6_m7 or d6_m9"),
    ("import-weights input={I}/w.h5 variant=d6_m7 ckpt_path={I}/raw", "ckpt_path=FILE to be written"),
    ("score-ramps input=missing output_dir=o", "input: nothing at missing"),
    ("score-ramps ckpt_path={I}/run input={I}/raw output_dir=o", "write ckpt_path={I}/run/checkpoints/best.ckpt"),
    ("send input={I}/best.ckpt", "ckpt_path= takes it"),
    ("publish input=missing", "input: nothing at missing"),
    ("publish input={I}/a.csv", "input: a text file at"),
    ("new model mine output_dir={I}/a.csv", "output_dir: a text file at"),
    # references and what Hydra's parser cannot read
    (f"train {EXPERIMENT} seed=${{{{oc.env:NO_SUCH}}}}", "the environment variable NO_SUCH, to which seed refers"),
    (f"train {EXPERIMENT} seed=${{{{nosuch}}}}", "no key of that name"),
    (f"train {EXPERIMENT} seed=${{{{seed}}}}", "references that lead to themselves"),
    (f"train {EXPERIMENT} seed=${{{{other:1}}}}", "a reference to a key, ${{KEY}}"),
    (f"train {EXPERIMENT} name=${{{{oc.env:NO_SUCH}}}}", "to which name refers"),
    (f"train {EXPERIMENT} paths.run_dir=${{{{oc.env:OUT}}}}/x", 'paths.run_dir="$OUT/x"'),
    ("convert input={I}/raw output_dir=${{oc.env:OUT}}", 'output_dir="$OUT"'),
    (f"train {EXPERIMENT} seed=[1", "[ without its ]"),
    (f"train {EXPERIMENT} seed=1]", "] without its ["),
    (f"train {EXPERIMENT} optimizer.lr=a=b", "a second =, after a"),
    (f"train {EXPERIMENT} optimizer.lr=1;2", "the character ; stands for nothing without quotes"),
    (f"train {EXPERIMENT} optimizer.lr='", "a quote that is not closed"),
    (f"train {EXPERIMENT} optimizer.lr=0,1", "write optimizer.lr=0.1"),
    (f"train {EXPERIMENT} optimizer.lr=half(1)", "half(...) is no function"),
    # paths where names of options are due
    ("train experiment=../../etc/passwd", "../../etc/passwd, which is a path"),
    (f"train {EXPERIMENT} model=/abs", "/abs, which is a path"),
    (f"train {EXPERIMENT} model=_realbogus", "_realbogus, on which others build"),
    ("simulate what=/etc/passwd output_dir=o", "/etc/passwd, which is a path"),
    ("audit dataset={I}/data split=../x", "../x, which is a path"),
    ("inject science={I}/a.fits output_dir=o survey=../x", "nothing at ../x"),
    # names that are not there
    (f"train {EXPERIMENT} split.folds=5", "split has split.link_radius"),
    (f"train {EXPERIMENT} optimizer.learning_rate=1", "did you mean optimizer.lr?"),
    ("train experiment=realbogus_sim method=zogy", "did you mean preprocessing/subtract=zogy?"),
    ("recover input={I}/a.csv output_dir=o method=zogy", "did you mean methods?"),
    # what has no effect
    ("predict task=ramps input={I}/raw output_dir=o prevalence=1/300", "leave out prevalence"),
    ("predict task=ramps input={I}/raw output_dir=o reader=alerts", "leave out reader"),
    ("predict task=ramps input={I}/raw output_dir=o datamodule.days=[4]", "leave out datamodule"),
    ("predict ckpt_path={I}/best.ckpt input={I}/raw output_dir=o datamodule.balance=none", "keys that scoring reads"),
    ("predict ckpt_path={I}/best.ckpt input={I}/raw output_dir=o evaluation.threshold=0.9", "keys that scoring reads"),
    ("difference science={I}/a.fits reference={I}/a.fits output_dir=o executor=processes", "leave out executor"),
    (f"train {EXPERIMENT} trust=[os.system]", "which is Python's own"),
    ("doctor name=foo", "leave out name"),
    (f"train {EXPERIMENT} hydra.job.name=x", "leave out hydra.job.name"),
    ("train experiment=lightcurves_sim channels=sigma", "has no channels"),
    ("train experiment=ramp_anomalies loss=bce augment=dihedral", "has no augment"),
    # words that can be read without a library
    ("difference science={I}/a.fits output_dir=o", "add reference=FILE"),
    ("recover reference={I}/a.fits output_dir=o", "add science=FILE"),
    ("difference output_dir=o", "add science=FILE and reference=FILE"),
    (f"train {EXPERIMENT} prevalence=5%", "for instance prevalence=1/300"),
    (f"train {EXPERIMENT} prevalence=1/0", "for instance prevalence=1/300"),
    ("predict ckpt_path={I}/best.ckpt input={I}/raw output_dir=o prevalence=2", "for instance prevalence=1/300"),
    ("evaluate ckpt_path={I}/best.ckpt dataset={I}/data output_dir=o prevalence=0", "for instance prevalence=1/300"),
    (f"train {EXPERIMENT} name=a/b", "a name is no path"),
    (f"prepare {EXPERIMENT} name=../a", "a name is no path"),
    (f"train {EXPERIMENT} simulate.n=2", "simulate.n of at least 3"),
    (f"train {EXPERIMENT} split.test=0.9 split.val=0.5", "shares that leave something to train on"),
    ("train experiment=lightcurves_sim datamodule.taxonomy=missing.yaml", "a taxonomy: "),
    # examples
    ("inject science={I}/a.fits output_dir=o mag=20", "for instance 'mag=[18,22]'"),
    ("inject science={I}/a.fits output_dir=o mag=[22,18]", "for instance 'mag=[18,22]'"),
    ("inject science={I}/a.fits output_dir=o flux=-1", "for instance 'flux=[100,5000]'"),
    ("baseline run_dir={I}/run days=64", "for instance 'days=[4,64]'"),
    ("convert input={I}/raw output_dir=o zero_point=abc", "for instance zero_point=31.4"),
    ("convert input={I}/raw output_dir=o wavelengths.e=0", "for instance wavelengths.e=0.436"),
    ("associate input={I}/raw output_dir=o mission_radius=3", "for instance mission_radius.galex=3"),
    ("associate input={I}/raw output_dir=o mission_radius.ztf=0", "for instance mission_radius.ztf=3"),
    ("crossmatch input={I}/a.csv catalogues=[{I}/a.csv] output_dir=o epoch.a=57000", "for instance epoch.a=2016.0"),
    # dates and missions of images
    ("difference science={I}/a.fits output_dir=o science.mjd=2459000.5", "write science.mjd=59000"),
    ("difference science={I}/a.fits output_dir=o reference.mjd=1e9", "for instance reference.mjd=60000.5"),
    ("difference science={I}/a.fits output_dir=o science.mission=zft", "write science.mission=ztf"),
    ("inject science={I}/a.fits output_dir=o science.mission=hubbel", "write science.mission=hst"),
    # one word undoes another
    ("simulate what=triplets simulate=pairs output_dir=o", "what=triplets and simulate=pairs"),
    (f"train {EXPERIMENT} seed=1 seed=2", "seed= once"),
    (f"train {EXPERIMENT} experiment=realbogus_sim", "experiment= once"),
    ("audit dataset={I}/data audit.mode=warn checks.mode=fail", "which mean the same"),
    (f"train -m {EXPERIMENT} seed=1,1", "seed=1 twice"),
    # an option typed as a key
    ("difference science={I}/a.fits output_dir=o preprocessing.subtract=zogy", "write preprocessing/subtract=zogy"),
    ("train experiment=realbogus_sim preprocessing.subtract=zogyy", "write preprocessing/subtract=zogy,"),
    ("recover input={I}/raw output_dir=o preprocessing.psf=given", "write preprocessing/psf=given"),
    (f"train -m {EXPERIMENT} hydra.launcher=joblib", "write hydra/launcher=joblib"),
    ("simulate what=pairs simulate.shape=8 output_dir=o", "simulate.shape: a list of 2, each a whole number"),
]  # fmt: skip


def make_inputs(folder: Path) -> None:
    """Files that begin as their kinds do, a dataset, a store of one, a finished run, and one that has not ended."""
    for name in ("raw", "data", "store/one", "run/checkpoints", "young"):
        (folder / name).mkdir(parents=True)
    for name in ("a.csv", "raw/x.csv"):
        (folder / name).write_text("id,ra,dec\n1,2,3\n")
    for name in ("data/dataset.json", "store/one/dataset.json", "run/metrics.json", "run/config.yaml"):
        (folder / name).write_text("{}")
    (folder / "young" / "config.yaml").write_text("{}")
    (folder / "data" / "index.parquet").write_bytes(b"PAR1")
    (folder / "a.fits").write_text(
        "SIMPLE  =                    T".ljust(80) + "NAXIS   = 2".ljust(80) + "END".ljust(2720)
    )
    (folder / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    for name in ("best.ckpt", "run/checkpoints/best.ckpt"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("best/data.pkl", b"")


def typed(words: list[str]) -> dict[str, Any]:
    """Exit code, what was said, which libraries were loaded, and what was left in the folder."""
    place = Path(tempfile.mkdtemp(prefix="early-"))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(place)
        os.dup2(writer, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        from astrid_ml.cli.main import run

        code = 99
        try:
            code = run(words)
        finally:
            sys.stderr.flush()
            loaded = " ".join(name for name in HEAVY if name in sys.modules)
            left = " ".join(sorted(str(path.relative_to(place)) for path in place.rglob("*")))
            os.write(2, f"\nLOADED {loaded}\nLEFT {left}".encode())
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, errors="replace") as stream:
        said, _, rest = stream.read().partition("\nLOADED ")
    _, status = os.waitpid(child, 0)
    shutil.rmtree(place)
    loaded, _, left = rest.partition("\nLEFT ")
    return {"words": words, "code": os.waitstatus_to_exitcode(status), "said": said, "loaded": loaded, "left": left}


def main(folder: Path, result: Path) -> None:
    """Type all lines, write the table."""
    make_inputs(folder)
    import hydra

    import astrid_ml.cli.compose

    assert all((hydra, astrid_ml.cli.compose))
    rows = [
        {**typed(line.format(I=folder).split()), "says": says.format(I=folder) if "{I}" in says else says.format()}
        for line, says in WRONG
    ]
    result.write_text(json.dumps(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
