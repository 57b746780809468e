"""Makes the modules of `tests/support` importable, here and in the processes that jobs start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("support")))
