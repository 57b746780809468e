"""Bubblewrap, against the real thing."""

import os

import pytest

from alphalab.sandbox import BubblewrapSandbox
from alphalab.testing.sandbox_suite import SandboxSuite

PROBLEMS = BubblewrapSandbox().check()
if PROBLEMS and "bubblewrap" not in os.environ.get("ALPHALAB_REQUIRE", ""):
    pytest.skip(f"bubblewrap: {PROBLEMS[0]}", allow_module_level=True)
pytestmark = pytest.mark.bubblewrap


class TestBubblewrap(SandboxSuite):
    @pytest.fixture
    def sandbox(self):
        return BubblewrapSandbox()
