"""Every traffic recipe and baseline at its defaults on real road traffic, scored by the trusted scorer.

Run: python benchmarks/traffic/recipes.py [--only berlin] [--out FILE]. Prints one JSON object: RMSE on the search and
final splits, the gain over the weekly seasonal naive, and the seconds the candidate took for fitting and forecasting.
Data: ALPHALAB_TEST_DATA, by default ../shared/data beside the repository.
"""

import argparse
import asyncio
import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

import alphalab as al
from alphalab.adapters import DomainAdapter
from alphalab.evaluation import SandboxedCandidateHost
from alphalab.measurement import Failure, Outcome
from alphalab.provenance import environment, machine, package_digest
from alphalab.sandbox import get_sandbox
from alphalab.workspace import Workspace

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("ALPHALAB_TEST_DATA", ROOT / "../shared/data")).resolve()
SETS = {
    "berlin": ("berlin_traffic/berlin_2015_2016_hourly.npz", {"variable": "flow", "keep": "keep"}),
    "muenster": ("muenster_traffic/muenster_2015_2016_hourly.npz", {"variable": "counts", "keep": "keep"}),
}
SPLITS = ("search", "final")


def main() -> None:
    """Score everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(SETS))
    parser.add_argument("--sandbox", default="bubblewrap", help="isolation tier candidates run under")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(SETS)
    result = {
        "sandbox": arguments.sandbox,
        "sets": {name: asyncio.run(measure(name, arguments.sandbox)) for name in names},
        "environment": environment(),
        "machine": {key: value for key, value in machine().items() if key != "executable"},
        "code": package_digest(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


async def measure(name: str, sandbox: str) -> list[dict[str, Any]]:
    """All baselines, then all recipes whose packages are installed, on one data set."""
    file, options = SETS[name]
    with tempfile.TemporaryDirectory() as folder:
        adapter, space = al.load_adapter("traffic", options=options), Workspace(Path(folder) / "run")
        adapter.prepare(al.Task(objective="Forecast the next 24 hours.", data=DATA / file), space)
        adapter = adapter.attach(space, SandboxedCandidateHost(get_sandbox(sandbox)))
        reference = next(entry for entry in adapter.baselines() if entry.role == "reference")
        baseline = {
            split: await adapter.score(adapter.folder / reference.folder, split=split, seed=0) for split in SPLITS
        }
        rows = [
            await row(adapter, e.name, "baseline", adapter.folder / e.folder, baseline) for e in adapter.baselines()
        ]
        for recipe in adapter.recipes():
            if all(find_spec(module) for module in recipe.requires):
                submission = Path(folder) / recipe.file.removesuffix(".py")
                submission.mkdir()
                source = (adapter.folder / "recipes" / recipe.file).read_text()
                (submission / adapter.manifest.submission.entry).write_text(source)
                rows.append(await row(adapter, recipe.name, recipe.family, submission, baseline))
        return rows


async def row(
    adapter: DomainAdapter, name: str, family: str, submission: Path, baseline: dict[str, Outcome]
) -> dict[str, Any]:
    """One line of the table."""
    line: dict[str, Any] = {"name": name, "family": family}
    for split in SPLITS:
        outcome, reference = await adapter.score(submission, split=split, seed=0), baseline[split]
        if isinstance(outcome, Failure) or isinstance(reference, Failure):
            line[split] = {"failed": attrs.asdict(outcome).get("message", "the reference has no score")}
            continue
        line[split] = {
            "rmse": round(outcome.value, 3),
            "gain_over_seasonal_naive": round(adapter.manifest.metric.gain(outcome.value, reference.value), 4),
            "forecasts": outcome.n,
            "seconds": round(outcome.seconds, 2),
        }
    return line


if __name__ == "__main__":
    main()
