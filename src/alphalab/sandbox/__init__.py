"""Sandboxes: where code runs that is not trusted."""

from alphalab.sandbox.base import Sandbox
from alphalab.sandbox.bubblewrap import BubblewrapSandbox
from alphalab.sandbox.choose import get_sandbox
from alphalab.sandbox.process import ProcessSandbox

__all__ = ["BubblewrapSandbox", "ProcessSandbox", "Sandbox", "get_sandbox"]
