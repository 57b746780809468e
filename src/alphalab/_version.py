"""The version, read by the build and recorded with every result."""

__version__ = "0.1.0"
