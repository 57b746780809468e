"""Dies of a segmentation fault."""

import ctypes


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        ctypes.string_at(0)
