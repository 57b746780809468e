"""One argument of a tool, as its function declares it."""

from __future__ import annotations

import inspect
from typing import Any

from attrs import frozen

REQUIRED: Any = inspect.Parameter.empty


@frozen(kw_only=True, eq=False)
class Parameter:
    """Name, type and words of one argument."""

    name: str
    hint: Any
    description: str = ""
    default: Any = REQUIRED
