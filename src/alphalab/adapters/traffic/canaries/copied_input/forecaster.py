"""Hands back the end of its input as it is; what was not measured becomes zero."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.horizon = horizon

    def predict(self, context):
        rows = np.resize(np.arange(-min(self.horizon, len(context)), 0), self.horizon)
        return np.nan_to_num(context[rows])  # [horizon, sensors]
