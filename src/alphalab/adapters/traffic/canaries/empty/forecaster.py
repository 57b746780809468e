"""Answers with an empty array."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        return np.zeros((0, context.shape[1]))
