"""Returns a single row, good for arithmetic that stretches shapes."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        return np.nanmean(context, axis=0, keepdims=True).astype(np.float32)  # [1, sensors]
