#!/bin/sh
# Build the wheel, install it alone into a new environment, and use it from an empty folder.
# Its dependencies come from the environment that is given, whose own (editable) astrid_ml is not seen.
set -eu
python=$1
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --wheel --no-isolation --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m venv "$work/venv"
"$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' \
    >"$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/dependencies.pth"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-index "$work"/dist/*.whl
mkdir "$work/empty"
cd "$work/empty"
"$work/venv/bin/python" - "$root" <<'PY'
import pathlib, sys
import astrid_ml, conf, datamodules, models, preprocessing
for package in (astrid_ml, conf, datamodules, models, preprocessing):
    assert sys.argv[1] not in str(pathlib.Path(package.__file__).resolve()), package.__file__
PY
"$work/venv/bin/astrid" --help >help.txt
grep -q realbogus_triplets help.txt
"$work/venv/bin/astrid" simulate what=triplets simulate.n=240 simulate.part=60 simulate.prevalence=0.3 output_dir=sim
"$work/venv/bin/astrid" train experiment=realbogus_triplets simulate.n=240 simulate.part=60 simulate.prevalence=0.3 channels.size=31 \
    trainer.fast_dev_run=true evaluation.evaluation.bootstrap.replicates=20 logger=none paths.run_dir=run
test -s run/report.html
"$work/venv/bin/astrid" predict ckpt_path=run/checkpoints/best.ckpt input=sim output_dir=out
test -s out/predictions.parquet
echo "the wheel works in an empty folder"
