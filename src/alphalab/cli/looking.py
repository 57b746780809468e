"""Verbs that look at a campaign: status, leaderboard, report; and recover."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from alphalab.campaign import Campaign
from alphalab.campaign import recover as recover_workspace


def status(arguments: Namespace) -> int:
    """Show where a campaign stands."""
    found = Campaign.open(arguments.workspace).status()
    print(json.dumps(found) if arguments.json else describe(found))
    return 0


def describe(status: dict[str, Any]) -> str:
    """A campaign's status in a few lines."""
    best, cost = status["best"], status["cost_usd"]
    experiments = ", ".join(f"{count} {state}" for state, count in status["experiments"].items()) or "none yet"
    lines = [
        f"workspace    {status['workspace']}",
        f"phase        {status['phase']}" + (f", stopped: {status['stop_reason']}" if status["stop_reason"] else ""),
        f"experiments  {experiments}",
        "best         " + (f"{best['id']}, {best['metric']} {best['value']:.5g}" if best else "nothing scored yet"),
        "cost         " + ("unpriced" if cost is None else f"${cost:.2f}"),
        f"time         {duration(status['seconds'])}",
    ]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def leaderboard(arguments: Namespace) -> int:
    """Show the best experiments and the baselines among them."""
    board = Campaign.open(arguments.workspace).leaderboard(arguments.n, split=arguments.split)
    print(json.dumps(board.to_dict()) if arguments.json else str(board))
    return 0


def report(arguments: Namespace) -> int:
    """Write the report and say where it is."""
    print(Campaign.open(arguments.workspace).report())
    return 0


def recover(arguments: Namespace) -> int:
    """Make a damaged record again."""
    print("\n".join(recover_workspace(arguments.workspace)))
    return 0
