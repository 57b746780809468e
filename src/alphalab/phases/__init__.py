"""The four phases of a campaign; each can be run alone."""

from alphalab.phases.adapt import adapt, adopt
from alphalab.phases.evaluate import evaluate
from alphalab.phases.experiment import Dispatcher, JobWatcher, Rules, confirm
from alphalab.phases.explore import explore

__all__ = ["Dispatcher", "JobWatcher", "Rules", "adapt", "adopt", "confirm", "evaluate", "explore"]
