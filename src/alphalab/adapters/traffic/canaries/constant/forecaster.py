"""Predicts each sensor's mean over the training data."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        seen = np.isfinite(history)
        mean = np.where(seen, history, 0).sum(0) / np.maximum(seen.sum(0), 1)  # [sensors]
        self.answer = np.tile(mean, (horizon, 1))  # [horizon, sensors]

    def predict(self, context):
        return self.answer
