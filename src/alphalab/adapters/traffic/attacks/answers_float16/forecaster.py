"""Returns half-precision values beyond their range."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.shape = (horizon, history.shape[1])

    def predict(self, context):
        with np.errstate(over="ignore"):
            return np.full(self.shape, 1e6).astype(np.float16)
