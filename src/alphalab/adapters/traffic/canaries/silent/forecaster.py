"""Does nothing: predict returns None."""


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        return None
