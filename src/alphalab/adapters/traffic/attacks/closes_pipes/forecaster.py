"""Closes every descriptor it inherited, then waits, so that a harness without a limit waits too."""

import os
import time


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        os.closerange(0, 4096)
        time.sleep(1e6)
