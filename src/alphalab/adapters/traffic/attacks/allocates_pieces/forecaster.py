"""Grows by pieces, which it touches; when a request fails it tries smaller ones."""


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pieces, size = [], 256 * 2**20
        while len(pieces) < 1600 and size >= 4096:
            try:
                pieces.append(b"1" * size)
            except MemoryError:
                size //= 2
        raise MemoryError(f"stopped after {len(pieces)} pieces")

    def predict(self, context):
        return None
