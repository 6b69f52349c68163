"""A training in a SLURM job of other processes than the configuration has is refused with the keys to change."""

import pytest
from pytorch_lightning import Trainer

from astrid_ml.errors import UserError
from astrid_ml.run.training.fit import refuse_other_job, slurm_environment


@pytest.mark.parametrize(("nodes", "each", "strategy"), [("1", "2", "ddp"), ("2", "1", "ddp"), ("1", "2", "auto")])
def test_processes_that_do_not_fit_the_job_are_named(
    nodes: str, each: str, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"SLURM_NTASKS": "2", "SLURM_NNODES": nodes, "SLURM_NTASKS_PER_NODE": each, "SLURM_JOB_NAME": "batch"}
    given |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_ID": "1"}
    given |= {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NODELIST": "localhost", "SLURM_JOB_NODELIST": "localhost"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    plugins = slurm_environment()
    lightning = Trainer(accelerator="cpu", devices=1, num_nodes=1, logger=False, strategy=strategy, plugins=plugins)
    with pytest.raises(UserError) as refused:
        refuse_other_job(lightning, plugins)
    said = refused.value
    assert "trainer.devices" in said.expected and "trainer.num_nodes=1 trainer.devices=1" in said.got
    assert f"trainer.num_nodes={nodes} trainer.devices={each}" in said.fix
    refuse_other_job(lightning, [])  # not in a job
    for name, value in {"SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "1", "SLURM_STEP_NUM_TASKS": "1"}.items():
        monkeypatch.setenv(name, value)
    refuse_other_job(lightning, plugins)
