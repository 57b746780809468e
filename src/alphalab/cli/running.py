"""Verbs that run a campaign: demo, run, resume."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from pathlib import Path

import attrs

from alphalab.budget import Budget
from alphalab.campaign import Campaign, read_config
from alphalab.cli.looking import describe, duration
from alphalab.reports import Progress, answer
from alphalab.task import Task
from alphalab.workspace import Workspace

DEMO_WORKERS = 2


def demo(arguments: Namespace) -> int:
    """Run an offline campaign on simulated traffic."""
    workspace = Path(arguments.workspace).expanduser().absolute()
    campaign = Campaign(
        task=Task(
            objective="Forecast the next 24 hours of simulated traffic counts; lower RMSE is better.",
            data=_demo_data(workspace, arguments.seed),
        ),
        adapter="traffic",
        models="offline",
        workspace=workspace,
        budget=Budget(experiments=arguments.experiments),
        workers=DEMO_WORKERS,
        seed=arguments.seed,
    )
    return _run(campaign, arguments)


def _demo_data(workspace: Path, seed: int) -> Path:
    """The data's file, beside the workspace, since a new workspace must be empty; written when it is not there."""
    from alphalab.adapters.traffic import write_simulated  # noqa: PLC0415 - the other verbs do without

    path = workspace.parent / f"{workspace.name}-simulated-seed{seed}.npz"
    return path if path.is_file() else write_simulated(path, seed=seed)


def run(arguments: Namespace) -> int:
    """Run the campaign that a file describes."""
    config = read_config(arguments.config)
    if arguments.experiments is not None:  # before the check: the file may leave the budget to the command line
        config = attrs.evolve(config, budget=attrs.evolve(config.budget, experiments=arguments.experiments))
    workspace = Path(arguments.workspace).expanduser().absolute() if arguments.workspace else None
    return _run(Campaign.from_config(config, workspace=workspace), arguments)


def resume(arguments: Namespace) -> int:
    """Go on with a campaign."""
    return _run(Campaign.open(arguments.workspace), arguments)


def _run(campaign: Campaign, arguments: Namespace) -> int:
    if arguments.experiments is not None:
        campaign.budget = attrs.evolve(campaign.budget, experiments=arguments.experiments)
    if arguments.workers is not None:
        campaign.workers = arguments.workers
    started = time.monotonic()
    with Progress.of(campaign) as progress:
        campaign.sinks = (*campaign.sinks, progress)
        try:
            campaign.run_sync()
        except KeyboardInterrupt:
            _say_how_to_resume(campaign)
            raise
    if arguments.json:
        print(json.dumps(campaign.status(), allow_nan=False))
    else:
        print(_conclusion(campaign, time.monotonic() - started))
    return 0


def _say_how_to_resume(campaign: Campaign) -> None:
    if Workspace(campaign.workspace).config.is_file():
        print(f"\nWhat is finished is kept; go on with: alphalab resume {campaign.workspace}", file=sys.stderr)


def _conclusion(campaign: Campaign, seconds: float) -> str:
    final = campaign.leaderboard(split="final")
    parts = [
        str(campaign.leaderboard()),
        str(final) if final.rows else "",
        "\n".join(answer(campaign)),
        describe(campaign.status()),
        f"report       {Workspace(campaign.workspace).reports / 'report.html'}\nthis run     {duration(seconds)}",
    ]
    return "\n\n".join(part for part in parts if part)
