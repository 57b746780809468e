"""Every attack of the traffic catalogue against the real scorer, one by one, with the time each took.

Run: python benchmarks/integrity/run.py [--out FILE]. Prints one JSON object. An attack succeeds when its score beats
the floor (the daily naive forecast) or when a file of the campaign changed.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs

import alphalab as al
from alphalab._ids import tree_digests
from alphalab.adapters.traffic.simulate import write_simulated
from alphalab.evaluation import judge_attack, tell
from alphalab.measurement import Measurement
from alphalab.provenance import environment, machine, package_digest
from alphalab.sandbox import get_sandbox
from alphalab.scorer import open_scorer, score_submission
from alphalab.workspace import Workspace


def main() -> None:
    """Attack a prepared workspace and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(attack_all(Path(folder)))
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


async def attack_all(folder: Path) -> dict[str, Any]:
    """Prepare a small synthetic campaign and run the whole catalogue against it."""
    data = write_simulated(folder / "synthetic.npz", sensors=12, days=120)
    adapter, space, sandbox = al.load_adapter("traffic"), Workspace(folder / "run"), get_sandbox("bubblewrap")
    adapter.prepare(al.Task(objective="Forecast the next 24 hours.", data=data), space)
    resources = attrs.evolve(adapter.manifest.resources, memory_gib=1.0)
    adapter = attrs.evolve(adapter, manifest=attrs.evolve(adapter.manifest, resources=resources), time_limit_s=20.0)
    scorer = open_scorer(adapter, space, sandbox)
    floor = next(baseline for baseline in adapter.baselines() if baseline.role == "floor")
    honest = await score_submission(scorer, adapter.folder / floor.folder, split="search", seed=0)
    assert isinstance(honest, Measurement)
    rows: list[dict[str, Any]] = []
    for entry in adapter.attacks():
        before, started = tree_digests(space.root), time.perf_counter()
        outcome = await score_submission(scorer, adapter.folder / entry.folder, split="search", seed=0)
        seconds, after = time.perf_counter() - started, tree_digests(space.root)
        changed = tuple(name for name in {*before, *after} if before.get(name) != after.get(name))
        verdict = judge_attack(outcome, metric=adapter.manifest.metric, floor=honest.value, changed=changed)
        rows.append(
            {"attack": entry.name, "verdict": verdict, "seconds": round(seconds, 2), "outcome": tell(outcome)[:200]}
        )
    return {
        "attacks": len(rows),
        "succeeded": sum(row["verdict"] == "succeeded" for row in rows),
        "floor": honest.value,
        "sandbox": sandbox.tier,
        "rows": rows,
        "environment": environment(),
        "machine": machine(),
        "code": package_digest(),
    }


if __name__ == "__main__":
    main()
