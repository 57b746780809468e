"""A campaign in a process of its own, for tests that end it with SIGKILL: `python kill_points.py WORKSPACE DATA N`."""

import sys

import alphalab as al


def make(workspace: str, data: str, experiments: int) -> al.Campaign:
    return al.Campaign(
        task=al.Task(objective="Forecast the next 24 hours; lower RMSE is better.", data=data),
        adapter="traffic",
        workspace=workspace,
        budget=al.Budget(experiments=experiments),
        adapter_options={"context": 336},
        workers=2,
    )


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2], int(sys.argv[3])).run_sync()
