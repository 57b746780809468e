"""An offline campaign on real road traffic: how far below the weekly seasonal naive it gets, on search and final.

Run: python benchmarks/traffic/campaign.py [--experiments 20] [--seed 0] [--out FILE]. Prints one JSON object.
Data: ALPHALAB_TEST_DATA, by default ../shared/data beside the repository.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import alphalab as al
from alphalab.provenance import environment, machine, package_digest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("ALPHALAB_TEST_DATA", ROOT / "../shared/data")).resolve()
SETS = {
    "berlin": ("berlin_traffic/berlin_2015_2016_hourly.npz", {"variable": "flow", "keep": "keep"}),
    "muenster": ("muenster_traffic/muenster_2015_2016_hourly.npz", {"variable": "counts", "keep": "keep"}),
}


def main() -> None:
    """Run both campaigns and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=sorted(SETS))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(SETS)
    result = {
        "experiments": arguments.experiments,
        "seed": arguments.seed,
        "model": "offline (rule-based; no language model)",
        "sets": {name: run(name, arguments.experiments, arguments.seed) for name in names},
        "environment": environment(),
        "machine": machine(),
        "code": package_digest(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


def run(name: str, experiments: int, seed: int) -> dict[str, Any]:
    """One campaign in a temporary workspace."""
    file, options = SETS[name]
    with tempfile.TemporaryDirectory() as folder:
        campaign = al.Campaign(
            task=al.Task(objective="Forecast the next 24 hours; lower RMSE is better.", data=DATA / file),
            adapter="traffic",
            adapter_options=options,
            workspace=Path(folder) / name,
            budget=al.Budget(experiments=experiments),
            seed=seed,
        )
        started = time.perf_counter()
        result = campaign.run_sync()
        seconds = time.perf_counter() - started
        return {**measured(result), "seconds": round(seconds, 1), "states": counts(campaign)}


def measured(result: al.CampaignResult) -> dict[str, Any]:
    """The winner and the baselines on both splits, with 95 % intervals over forecast origins."""
    assert result.best is not None
    boards = {"search": result.leaderboard, "final": result.final}
    return {
        "winner": {"id": result.best.id, "name": result.best.name, "parameters": result.best.proposal.parameters},
        **{split: on_split(board, result.best.id) for split, board in boards.items()},
    }


def on_split(board: al.Leaderboard, winner: str) -> dict[str, Any]:
    """Values, intervals and the gain over the reference."""
    rows = {row.name if row.baseline else row.id: row for row in board.rows}
    chosen = {"winner": rows[winner], **{name: row for name, row in rows.items() if row.baseline}}
    table = {
        name: {"rmse": row.value, "low": row.low, "high": row.high, "n": row.n, "seeds": row.seeds}
        for name, row in chosen.items()
    }
    gain = 1 - table["winner"]["rmse"] / table["Seasonal naive"]["rmse"]
    return {"gain_over_seasonal_naive": round(gain, 4), **table}


def counts(campaign: al.Campaign) -> dict[str, int]:
    """Experiments by state, and how many needed a repair."""
    experiments = campaign.experiments()
    states = {str(experiment.state) for experiment in experiments}
    found = {state: sum(experiment.state == state for experiment in experiments) for state in sorted(states)}
    return {**found, "repaired": sum(experiment.fixes > 0 for experiment in experiments)}


if __name__ == "__main__":
    main()
