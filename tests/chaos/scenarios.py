"""What is disturbed: small forms of every verb that writes, with the inputs that they share."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SMALL = ("trainer.enable_progress_bar=false", "logger=none")
FEW = "evaluation.evaluation.bootstrap.replicates=20"
STAMPS = ("experiment=realbogus_triplets", "channels.size=31", FEW, *SMALL)
TRIPLETS = (*STAMPS, "simulate=none", "paths.raw={inputs}/triplets")
RAMPS = (
    "experiment=ramp_anomalies_full", "paths.raw={inputs}/ramps", "simulate=none", "preprocessing.tile=32",
    "model.network.widths=[4,8,8]", "datamodule.crop=16", *SMALL,
)  # fmt: skip
CURVES = ("experiment=lightcurves_sim", "simulate=none", "paths.raw={inputs}/curves", "trainer.max_epochs=2", *SMALL)
RUN = ("paths.run_dir={out}/run", "paths.data={out}/store")
PREPARED = (*STAMPS, "dataset={inputs}/prepared", "paths.run_dir={out}/run")


@dataclass(frozen=True)
class Scenario:
    """One command whose end must not depend on how often it was stopped.

    Args:
        name: in the table.
        words: of the command line; ``{inputs}`` and ``{out}`` stand for folders.
    """

    name: str
    words: tuple[str, ...]

    def command(self, inputs: Path, out: Path) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "astrid_ml", *(word.format(inputs=inputs, out=out) for word in self.words)]


# Commands that make the inputs, in order; each writes below {inputs}.
INPUTS = (
    ("simulate", "what=triplets", "simulate.n=480", "simulate.part=40", "simulate.prevalence=0.3",
     "output_dir={inputs}/triplets"),
    ("simulate", "what=ramps_light", "simulate.n=6", "simulate.num_frames=12", "simulate.image_shape=[40,40]",
     "simulate.cosmic_ray_per_exp_range=[20,20]", "simulate.rtn_per_exp_range=[10,10]",
     "simulate.snowballs_per_exp_range=[1,1]", "simulate.snowball_radius_range=[4,5]", "output_dir={inputs}/ramps"),
    ("simulate", "what=lightcurves", "simulate.n=400", "simulate.templates=5", "output_dir={inputs}/curves"),
    ("simulate", "what=pairs", "simulate.n=2", "simulate.shape=[256,256]", "output_dir={inputs}/pairs"),
    ("train", *TRIPLETS, "trainer.max_epochs=1", "paths.run_dir={inputs}/model", "paths.data={inputs}/model_store"),
)  # fmt: skip

SCENARIOS = (
    Scenario("prepare", ("prepare", *TRIPLETS, "executor=processes", "paths.data={out}/store")),
    Scenario("train triplets", ("train", *TRIPLETS, "trainer.max_epochs=4", *RUN)),
    Scenario("train averaged", ("train", "trainer.max_epochs=4", "callbacks.weight_averaging=0.9",
                                *PREPARED)),
    Scenario("train workers", ("train", "trainer.max_epochs=3", "datamodule.num_workers=2", *PREPARED)),
    Scenario("train k-fold", ("train", "trainer.max_epochs=2", "split=kfold", "split.k=3", *PREPARED)),
    Scenario("train ddp", ("train", "trainer=ddp_cpu", "trainer.max_epochs=3", *PREPARED)),
    Scenario("train ramps", ("train", *RAMPS, "trainer.max_epochs=2", *RUN)),
    Scenario("train light curves", ("train", *CURVES, *RUN)),
    Scenario("predict", ("predict", "ckpt_path={inputs}/model/checkpoints/best.ckpt", "input={inputs}/triplets",
                         "output_dir={out}/scored")),
    Scenario("difference", ("difference", "science={inputs}/pairs/pair_000_science.fits",
                            "reference={inputs}/pairs/pair_000_reference.fits", "output_dir={out}/difference")),
    Scenario("acquire", ("acquire", "acquisition.play.simulate.n=4", "acquisition.play.simulate.shape=[160,160]",
                         "acquisition.play.simulate.nights=2", "acquisition.play.delay=0.05",
                         "output_dir={out}/acquired")),
    Scenario("recover", ("recover", "input={inputs}/pairs/manifest.csv", "methods=[zogy,direct]",
                         "output_dir={out}/recover")),
    Scenario("convert", ("convert", "input={inputs}/curves", "row_group=50", "output_dir={out}/converted")),
    Scenario("sweep", ("train", "-m", *STAMPS, "trainer.max_epochs=1", "optimizer.lr=0.001,0.002,0.003",
                       "dataset={inputs}/prepared", "paths.sweep_dir={out}/sweep")),
)  # fmt: skip


def make_inputs(inputs: Path) -> None:
    """Simulate and train once what all scenarios read; ``{inputs}/prepared`` is the dataset of the model."""
    for words in INPUTS:
        filled = [word.format(inputs=inputs) for word in words]
        subprocess.run([sys.executable, "-m", "astrid_ml", *filled], check=True, stdout=subprocess.DEVNULL)
    (dataset,) = (file.parent for file in (inputs / "model_store").glob("*/dataset.json"))
    (inputs / "prepared").symlink_to(dataset)
