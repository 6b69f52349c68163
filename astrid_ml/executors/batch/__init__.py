"""Batch systems: SLURM, asked by executors that submit jobs."""
