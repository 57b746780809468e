"""Noise of the right size that changes with the seed."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.rng = np.random.default_rng(seed)
        self.horizon = horizon
        values = np.where(np.isfinite(history), history, np.nan)
        self.mean = np.nan_to_num(np.nanmean(values, axis=0))  # [sensors]
        self.std = np.nan_to_num(np.nanstd(values, axis=0))  # [sensors]

    def predict(self, context):
        return self.mean + self.std * self.rng.standard_normal((self.horizon, len(self.mean)))  # [horizon, sensors]
