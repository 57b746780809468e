"""Answers in the wrong order of axes, with one sensor more so that no square slips through."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.horizon = horizon

    def predict(self, context):
        return np.nan_to_num(context[-1:].T) * np.ones((1, self.horizon + 1))  # [sensors, horizon + 1]
