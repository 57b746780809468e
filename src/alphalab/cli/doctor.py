"""`alphalab doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from attrs import asdict

from alphalab._version import __version__
from alphalab.cli.checks import Check
from alphalab.cli.doctor_models import check_models, named_models
from alphalab.executors import LocalExecutor
from alphalab.sandbox import BubblewrapSandbox, ProcessSandbox, Sandbox

_CORE = ("anthropic", "attrs", "cattrs", "fsspec", "genai-prices", "numpy", "openai", "pydantic", "rich", "tomli-w")
_EXTRAS = {
    "torch": ("torch",),
    "ray": ("ray",),
    "dashboard": ("starlette", "uvicorn"),
    "plots": ("matplotlib",),
    "notebook": ("ipykernel", "pandas"),
    "tables": ("h5py", "pyarrow"),
    "s3": ("s3fs",),
    "mlflow": ("mlflow",),
    "web": ("pypdf",),
    "mcp": ("mcp",),
}
_KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")
_ENOUGH_GIB = 2.0
"""Free space below which a campaign is likely to fill the disk."""
_PATIENCE_S = 15.0


def doctor(arguments: Namespace) -> int:
    """Check everything, and call each model that is named; fails when one of them or something else is broken."""
    checks = [*examine(), *check_models(named_models(arguments.config, arguments.model, arguments.base_url))]
    broken = [check for check in checks if check.state == "broken"]
    if arguments.json:
        print(json.dumps({"ok": not broken, "checks": [asdict(check) for check in checks]}))
    else:
        print("\n".join(_lines(checks)))
    return 1 if broken else 0


def _lines(checks: list[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{check.state:<8} {check.name:<{width}}  {check.found}"
        if check.remedy:
            yield f"{'':<8} {'':<{width}}  -> {check.remedy}"


def examine() -> Iterator[Check]:
    """Every check in turn; each really tries what it speaks of."""
    parts: tuple[Callable[[], Iterator[Check]], ...] = (
        _python,
        _sandboxes,
        _executor,
        _gpu,
        _cluster,
        _disk,
        _keys,
        _extras,
    )
    for part in parts:
        yield from part()


def _python() -> Iterator[Check]:
    version = ".".join(str(number) for number in sys.version_info[:3])
    recent = sys.version_info >= (3, 11)
    yield Check(
        name="python",
        state="ok" if recent else "broken",
        found=f"{version} at {sys.executable}",
        remedy="" if recent else "install Python 3.11 or later",
    )
    missing = [name for name in _CORE if _version(name) is None]
    yield Check(
        name="packages",
        state="broken" if missing else "ok",
        found=f"alphalab {__version__}; "
        + (f"not installed: {', '.join(missing)}" if missing else "all it needs is installed"),
        remedy=f"pip install {' '.join(missing)}" if missing else "",
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _sandboxes() -> Iterator[Check]:
    problems = BubblewrapSandbox().check()
    yield Check(
        name="isolation",
        state="missing" if problems else "ok",
        found="; ".join(problems) or "bubblewrap started a command in its own namespaces",
        remedy="apt-get install bubblewrap, and allow user namespaces (sysctl user.max_user_namespaces); without it "
        'campaigns with a language model need sandbox="none", which isolates nothing'
        if problems
        else "",
    )
    limits: Sandbox = ProcessSandbox()
    broken = limits.check()
    yield Check(
        name="limits",
        state="broken" if broken else "ok",
        found="; ".join(broken) or "memory, processes, files and time of commands are limited",
        remedy="run on Linux with /proc mounted" if broken else "",
    )


def _executor() -> Iterator[Check]:
    async def slots(root: Path) -> int:
        async with LocalExecutor(root=root) as executor:
            return (await executor.capacity()).slots

    try:
        with tempfile.TemporaryDirectory(prefix="alphalab-doctor-") as folder:
            found = asyncio.run(slots(Path(folder)))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong here is the finding
        yield Check(name="executor", state="broken", found=str(error), remedy="use Linux 5.3 or later")
    else:
        yield Check(name="executor", state="ok", found=f"this machine runs {found} job(s) at once, one per CPU")


def _gpu() -> Iterator[Check]:
    found = _output("nvidia-smi", "-L").splitlines()
    yield Check(
        name="gpu",
        state="ok" if found else "missing",
        found=f"{len(found)}: {found[0].split('(')[0].strip()}" if found else "nvidia-smi names none",
        remedy="" if found else "traffic needs none; for the others install NVIDIA's driver",
    )


def _cluster() -> Iterator[Check]:
    version = _output("sbatch", "--version").strip()
    yield Check(
        name="slurm",
        state="ok" if version else "missing",
        found=version or "sbatch is not on PATH",
        remedy="" if version else "only needed to run jobs on a Slurm cluster; log in to its head node",
    )


def _output(*command: str) -> str:
    """What a program says, or nothing when it is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _disk() -> Iterator[Check]:
    for name, folder in (("this folder", Path.cwd()), ("temporary folder", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free / 2**30
        fine = free >= _ENOUGH_GIB and os.access(folder, os.W_OK)
        yield Check(
            name=name,
            state="ok" if fine else "missing",
            found=f"{folder}: {free:.1f} GiB free{'' if os.access(folder, os.W_OK) else ', not writable'}",
            remedy="" if fine else f"choose a writable place with {_ENOUGH_GIB:g} GiB free (--workspace, TMPDIR)",
        )


def _keys() -> Iterator[Check]:
    for name in _KEYS:
        there = bool(os.environ.get(name))
        yield Check(
            name=name,
            state="ok" if there else "missing",
            found="is set" if there else "is not set",
            remedy="alphalab doctor campaign.toml, or --model NAME, calls the model once"
            if there
            else 'only needed for that provider\'s models; models = "offline" needs none',
        )


def _extras() -> Iterator[Check]:
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        yield Check(
            name=f"extra {extra}",
            state="missing" if missing else "ok",
            found=f"not installed: {', '.join(missing)}" if missing else ", ".join(modules),
            remedy=f'pip install "alphalab[{extra}]"' if missing else "",
        )
