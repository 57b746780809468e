"""The command line: thin verbs over the public classes."""

from alphalab.cli.main import main

__all__ = ["main"]
