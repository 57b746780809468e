"""What `alphalab doctor` found about one thing."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

State = Literal["ok", "missing", "broken"]


@frozen(kw_only=True)
class Check:
    """What was found about one thing."""

    name: str
    state: State
    """`missing`: optional, and not here. `broken`: nothing works without it."""
    found: str
    remedy: str = ""
    """What would change it; empty when all is well."""
