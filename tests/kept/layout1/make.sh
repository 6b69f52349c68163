#!/bin/sh
# Makes the kept checkpoints, datasets and predictions with the layout before names were permanent.
# Run it in a checkout of commit 1db46a8 (the last of that layout): sh make.sh PYTHON OUT
set -eu
python=$1
out=$2
export OMP_NUM_THREADS=1
common="trainer.fast_dev_run=3 trainer.enable_progress_bar=false trainer.precision=32-true logger=none hash_inputs=true seed=1"
one() {
    name=$1
    shift
    # shellcheck disable=SC2086
    "$python" -m astrid_ml train experiment="$name" $common paths.run_dir="$out/$name/run" paths.data="$out/$name/store" "$@"
    raw=$(ls -d "$out/$name/store/raw/"*)
    if [ "$name" = realbogus_roman ]; then  # two of its jobs are enough to predict from; its store is too large to keep
        mkdir "$out/$name/raw"
        find "$raw" -mindepth 2 -maxdepth 2 -name 'jid*' | sort | awk 'NR % 5 == 1' | xargs -I{} cp -r {} "$out/$name/raw"
        rm -rf "$out/$name/store"
        raw="$out/$name/raw"
    fi
    task=""
    if [ "$name" = ramp_anomalies_full ]; then task="task=ramps"; fi
    # shellcheck disable=SC2086
    "$python" -m astrid_ml predict ckpt_path="$out/$name/run/checkpoints/best.ckpt" input="$raw" output_dir="$out/$name/predicted" $task
}
one realbogus_triplets simulate.n=30 simulate.part=30 simulate.prevalence=0.4 channels.size=21 \
    +model.network.widths='[4,4]' +model.network.hidden=8
one realbogus_sim simulate.n=8 'simulate.shape=[128,128]' simulate.transients=300 simulate.stars=900 \
    simulate.artefacts=0.3 channels.size=21 \
    +model.network.widths='[4,4]' +model.network.hidden=8
one realbogus_roman simulate=roman simulate.n=9 simulate.fields=9 'simulate.shape=[128,128]' \
    simulate.injections=60 simulate.cosmic_rays=500 simulate.transients=120 'channels.size=21' model.network.hidden=8
one ramp_anomalies_full simulate.n=6 simulate.num_frames=12 'simulate.image_shape=[40,40]' 'model.network.widths=[2,2]' \
    preprocessing.tile=32 datamodule.crop=16 datamodule.num_workers=0 \
    'simulate.cosmic_ray_per_exp_range=[20,20]' 'simulate.rtn_per_exp_range=[10,10]' 'simulate.snowballs_per_exp_range=[1,1]' \
    'simulate.snowball_radius_range=[4,5]'
one lightcurves_sim simulate.n=160 simulate.templates=3 model.network.width=8 model.network.hidden=8 model.network.latent=8 \
    model.network.grid=4
# What these tests do not read: pages, logs, trackers, copies of predictions.
find "$out" \( -name '*.html' -o -name '*.png' -o -name last.ckpt -o -name model_card.md \) -delete
