"""Limits without isolation, against the real thing."""

import pytest

from alphalab.sandbox import ProcessSandbox
from alphalab.testing.sandbox_suite import SandboxSuite


class TestProcess(SandboxSuite):
    @pytest.fixture
    def sandbox(self):
        return ProcessSandbox()
