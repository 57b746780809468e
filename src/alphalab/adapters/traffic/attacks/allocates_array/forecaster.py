"""Asks for 100 GB at once and touches every page."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        block = np.empty(100 * 2**30, dtype=np.uint8)
        block[::4096] = 1

    def predict(self, context):
        return None
