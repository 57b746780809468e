"""Small campaigns for tests of what runs or reads them: real data, sandbox and jobs, in about ten seconds."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from alphalab.adapters import load_adapter
from alphalab.adapters.base import CATALOGUE
from alphalab.adapters.traffic import write_simulated
from alphalab.budget import Budget
from alphalab.campaign import Campaign
from alphalab.task import Task

_LOOKS = 5
_LOOK = '''"""What does picture {number} show?"""
import base64, json, sys
from pathlib import Path

plot = Path(sys.argv[sys.argv.index("--out") + 1]) / "plots" / "{name}.png"
plot.parent.mkdir(parents=True, exist_ok=True)
plot.write_bytes(base64.b64decode("{picture}"))
finding = {{"title": "Look {number}", "finding": "A blue square.", "numbers": {{"side": 16}}, "advice": "None."}}
print(json.dumps({{**finding, "plot": str(plot)}}))
'''
_BLUE = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mPQr7tBEmIY1TCqYfhqAAAk7YUQcwljgQAAAABJRU5ErkJggg=="
"""A picture of 16 x 16 pixels."""
CANARIES = ("Silent", "Zeros", "Reference", "Known better")
ATTACKS = ("Reads the held-out series", "Answers with NaN")


def small_adapter(folder: Path) -> Path:
    """The traffic adapter with few trials before the seal and quick looks at the data.

    Args:
        folder: Where its files go; new or empty.
    """
    load_adapter("traffic").save(folder)
    catalogue = tomllib.loads((folder / CATALOGUE).read_text())
    catalogue["canary"] = [entry for entry in catalogue["canary"] if entry["name"] in CANARIES]
    catalogue["attack"] = [entry for entry in catalogue["attack"] if entry["name"] in ATTACKS]
    (folder / CATALOGUE).write_text(tomli_w.dumps(catalogue))
    looks = folder / "recipes" / "explore"
    for script in looks.glob("*.py"):
        script.unlink()
    for number in range(1, _LOOKS + 1):
        name = f"{number:02d}_look"
        (looks / f"{name}.py").write_text(_LOOK.format(number=number, name=name, picture=_BLUE))
    return folder


def small_campaign(folder: Path, *, experiments: int = 4, **changes: Any) -> Campaign:
    """An offline campaign on simulated traffic in `folder/run`, its data and adapter beside it; not run yet.

    Args:
        folder: Where all of it goes; new or empty.
        experiments: The budget.
        changes: Further arguments of `Campaign`.
    """
    data = write_simulated(folder / "data.npz", sensors=8, days=100, seed=1)
    arguments: dict[str, Any] = {
        "task": Task(objective="Forecast the next 24 hours; lower RMSE is better.", data=data),
        "adapter": small_adapter(folder / "adapter"),
        "workspace": folder / "run",
        "budget": Budget(experiments=experiments),
    }
    return Campaign(**{**arguments, **changes})
