"""Experiment: propose, implement, run, score, analyse, fix; then confirm the leaders."""

from alphalab.phases.experiment.dispatcher import Dispatcher
from alphalab.phases.experiment.engine import Rules
from alphalab.phases.experiment.finalists import FINALISTS, confirm
from alphalab.phases.experiment.watcher import JobWatcher

__all__ = ["FINALISTS", "Dispatcher", "JobWatcher", "Rules", "confirm"]
