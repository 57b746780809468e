"""Leaves with SystemExit(0) before there is anything to call, and claims a score on the way out."""

import atexit
import sys

atexit.register(print, '{"status": "scored", "value": 0.0}')
sys.exit(0)
