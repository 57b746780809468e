"""Marks for tests that need something of the machine."""

import os

import pytest

from alphalab.sandbox import BubblewrapSandbox

PROBLEMS = BubblewrapSandbox().check()


def needs_bubblewrap(test):
    """Skips where bubblewrap does not work, unless it is required."""
    required = "bubblewrap" in os.environ.get("ALPHALAB_REQUIRE", "")
    skip = pytest.mark.skipif(bool(PROBLEMS) and not required, reason=f"bubblewrap: {''.join(PROBLEMS[:1])}")
    return pytest.mark.bubblewrap(skip(test))
