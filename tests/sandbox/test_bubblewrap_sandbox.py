"""Bubblewrap, against the real thing."""

import pytest

from alphalab.sandbox import BubblewrapSandbox
from alphalab.testing.sandbox_suite import SandboxSuite

pytestmark = pytest.mark.bubblewrap


class TestBubblewrap(SandboxSuite):
    @pytest.fixture
    def sandbox(self):
        return BubblewrapSandbox()
