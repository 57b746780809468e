"""Fakes and conformance suites for callers' own tests; nothing else in the library imports them."""
