"""The four phases of a campaign; each can be run alone."""

from alphalab.phases.adapt import adapt, adopt
from alphalab.phases.evaluate import evaluate, put_on_record
from alphalab.phases.experiment import Dispatcher, JobWatcher, Rules, confirm
from alphalab.phases.explore import explore
from alphalab.phases.session import PREPARING, Session
from alphalab.phases.spending import active_time

__all__ = [
    "PREPARING",
    "Dispatcher",
    "JobWatcher",
    "Rules",
    "Session",
    "active_time",
    "adapt",
    "adopt",
    "confirm",
    "evaluate",
    "explore",
    "put_on_record",
]
