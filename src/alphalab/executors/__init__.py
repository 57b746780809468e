"""Where jobs run: this machine, and the contract every other place fulfils."""

from alphalab.executors.base import Capacity, Executor, Job, JobState, JobStatus
from alphalab.executors.local import LocalExecutor

__all__ = ["Capacity", "Executor", "Job", "JobState", "JobStatus", "LocalExecutor"]
