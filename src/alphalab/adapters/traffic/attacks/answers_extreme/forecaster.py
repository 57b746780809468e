"""Returns finite values whose squares are not."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.shape = (horizon, history.shape[1])

    def predict(self, context):
        return np.full(self.shape, 1e300) * np.where(np.arange(self.shape[1]) % 2, 1, -1)
