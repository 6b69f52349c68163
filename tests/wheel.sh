#!/bin/sh
# Build the wheel and, from the sdist, a second one; install each alone into a new environment and use it from a folder
# that holds the user's own models/, conf/ and preprocessing/.
# Dependencies come from the environment that is given, whose own (editable) astrid_ml is not seen.
set -eu
case $1 in /*) python=$1 ;; *) python=$(pwd)/$1 ;; esac
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --no-isolation --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m build --wheel --no-isolation --outdir "$work/direct" "$root" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
mkdir "$work/user"
for name in conf models preprocessing datamodules; do
    mkdir "$work/user/$name"
    echo "mine = True" >"$work/user/$name/__init__.py"
done
cd "$work/user"
for wheel in "$work"/direct/*.whl "$work"/dist/*.whl; do  # straight from the checkout; by way of the sdist
    rm -rf "$work/venv"
    "$python" -m venv "$work/venv"
    site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    ls "$site" >"$work/before"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-index "$wheel"
    added=$(ls "$site" | grep -vxFf "$work/before" | grep -v '\.dist-info$' | tr '\n' ' ')
    test "$added" = "astrid_ml " || { echo "the wheel adds: $added"; exit 1; }
    "$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' >"$site/dependencies.pth"
    "$work/venv/bin/python" "$root/tests/identity_check.py" "$root"
done
"$work/venv/bin/astrid" --help >help.txt
grep -q realbogus_triplets help.txt
"$work/venv/bin/astrid" simulate what=triplets simulate.n=240 simulate.part=60 simulate.prevalence=0.3 output_dir=sim
"$work/venv/bin/astrid" train experiment=realbogus_triplets simulate.n=240 simulate.part=60 simulate.prevalence=0.3 channels.size=31 \
    trainer.fast_dev_run=true evaluation.evaluation.bootstrap.replicates=20 logger=none paths.run_dir=run
test -s run/report.html
"$work/venv/bin/astrid" predict ckpt_path=run/checkpoints/best.ckpt input=sim output_dir=out
test -s out/predictions.parquet
"$work/venv/bin/astrid" new model mynet
test -s mynet/mynet/network.py && test -s mynet/tests/test_mynet.py
echo "the wheel adds one name and works beside the user's own models/, conf/ and preprocessing/"
