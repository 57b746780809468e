"""Raises an exception that runs code when it is unpickled, and whose text is megabytes of control characters."""

CODE = """
import alphalab.adapters.traffic.scorer as scorer
scorer.ForecastScorer._measure = lambda self, losses, **kw: __import__("alphalab.measurement").measurement.Measurement(value=0.0)
"""


class Payload(Exception):
    def __reduce__(self):
        return exec, (CODE,)

    def __str__(self):
        return "\x1b[2J\x00 status: scored value: 0.0 " * 2_000_000


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        raise Payload
