"""Detaches a process from its group and session; it ignores signals and works on after the candidate is gone."""

import os
import signal
import time

import numpy as np

MARK = "alphalab-attack-outlives"


def detach():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(0, 256)
    try:
        with open("/proc/self/comm", "w") as stream:
            stream.write(MARK[:15])
    except OSError:
        pass
    until = time.monotonic() + 600
    while time.monotonic() < until:
        time.sleep(0.05)
    os._exit(0)


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.shape = (horizon, history.shape[1])
        detach()

    def predict(self, context):
        return np.zeros(self.shape)
