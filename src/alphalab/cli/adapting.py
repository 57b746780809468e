"""`alphalab adapters`: list, show, new, check."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from alphalab._serde import dump
from alphalab.adapters import BUILT_IN, DomainAdapter, load_adapter
from alphalab.errors import ConfigError


def list_adapters(arguments: Namespace) -> int:
    """List what ships with the library."""
    found = [(name, load_adapter(name).manifest.summary) for name in BUILT_IN]
    if arguments.json:
        print(json.dumps({"adapters": [{"name": name, "summary": summary} for name, summary in found]}))
    else:
        print("\n".join(f"{name:<14}{summary}" for name, summary in found))
    return 0


def show(arguments: Namespace) -> int:
    """Show one adapter."""
    adapter = load_adapter(arguments.name)
    print(json.dumps(_as_json(adapter)) if arguments.json else _as_text(adapter))
    return 0


def _as_json(adapter: DomainAdapter) -> dict[str, Any]:
    catalogue = adapter.catalogue
    named = {kind: [entry.name for entry in getattr(catalogue, kind)] for kind in ("baseline", "canary", "attack")}
    recipes = [{"name": recipe.name, "family": recipe.family, "summary": recipe.summary} for recipe in catalogue.recipe]
    return {"folder": str(adapter.folder), "manifest": dump(adapter.manifest), "recipes": recipes, **named}


def _as_text(adapter: DomainAdapter) -> str:
    manifest = adapter.manifest
    metric = manifest.metric
    order = "lower" if metric.goal == "minimize" else "higher"
    secondary = f"; also {', '.join(metric.secondary)}" if metric.secondary else ""
    lines = [
        f"{manifest.name} {manifest.version}: {manifest.summary}",
        f"folder: {adapter.folder}",
        f"metric: {metric.name} ({metric.unit or 'no unit'}), {order} is better{secondary}",
        f"submission: {', '.join(manifest.submission.required) or manifest.submission.entry}",
        "",
        manifest.submission.contract.strip(),
        "",
        "options",
        *(
            f"  {name} = {option.default!r} ({option.kind}): {option.description}"
            for name, option in manifest.options.items()
        ),
        "",
        "recipes",
        *(f"  {recipe.name} ({recipe.family}): {recipe.summary}" for recipe in adapter.recipes()),
        "",
        "baselines",
        *(f"  {baseline.name} ({baseline.role}): {baseline.summary}" for baseline in adapter.baselines()),
        "",
        f"{len(adapter.canaries())} canaries, {len(adapter.attacks())} attacks",
    ]
    return "\n".join(lines)


def new(arguments: Namespace) -> int:
    """Copy an adapter into a folder of one's own."""
    adapter = load_adapter(arguments.source)
    folder = Path(arguments.folder).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{arguments.folder!r} is there already and not an empty folder; name a new one")
    print(adapter.save(folder))
    return 0


def check(arguments: Namespace) -> int:
    """Raise one error that lists every problem, or say that there is none."""
    adapter = DomainAdapter.from_folder(Path(arguments.folder).expanduser())
    parts = {
        "recipe": adapter.recipes(),
        "baseline": adapter.baselines(),
        "canary": adapter.canaries(),
        "attack": adapter.attacks(),
    }
    counts = ", ".join(f"{len(entries)} {name}(s)" for name, entries in parts.items())
    print(f"{adapter.manifest.name}: no problems; {counts}")
    return 0
