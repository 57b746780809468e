"""Sleeps at import."""

import time

time.sleep(1e6)
