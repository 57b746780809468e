"""Imports point down; optional packages stay out of `import alphalab`."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import alphalab

ROOT = Path(alphalab.__file__).parent
LAYERS = [
    {"errors", "messages", "task", "measurement", "resources", "budget", "commands", "candidates"}
    | {"events", "workspace", "provenance"},
    {"models", "tools", "adapters", "executors", "sandbox", "evaluation", "experiments", "playbook"},
    {"agents", "scorer"},
    {"roles"},
    {"phases"},
    {"campaign"},
    {"reports"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
DOORS = {("campaign", "reports")}
"""Methods of the facade that lead a layer up on purpose; they import when called."""


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def level_of(part: str) -> int:
    return 0 if part.startswith("_") and part != "__main__" else LEVEL[part]


def imported_parts(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names if node.module == "alphalab")]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module" and node.args:
            names = [node.args[0].value] if isinstance(node.args[0], ast.Constant) else []
        found |= {name.split(".")[1] for name in names if name.startswith("alphalab.")}
    return found - {"__version__"}


def sources() -> list[Path]:
    inside_recipes = ("recipes", "attacks", "canaries", "baselines", "reference", "tests")
    files = [path for path in ROOT.rglob("*.py") if not set(inside_recipes) & set(path.relative_to(ROOT).parts)]
    return [path for path in files if part_of(path) not in ("__init__", "testing")]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path):
    here = part_of(path)
    for there in imported_parts(path):
        assert there != "testing", "nothing in the library imports its test support"
        if there == here or (here, there) in DOORS or there.startswith("_"):
            continue
        if level_of(here) == 0:
            assert level_of(there) == 0, f"{here} imports {there}, which is above it"
        else:
            assert level_of(there) < level_of(here), f"{here} imports {there}, which is beside or above it"


def test_every_part_has_a_layer():
    parts = {part_of(path) for path in sources()}
    assert {part for part in parts if not part.startswith("_") or part == "__main__"} <= set(LEVEL)


def in_fresh_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_loads_no_sdk():
    heavy = ("anthropic", "openai", "torch", "ray", "numpy", "pydantic", "matplotlib", "pandas")
    loaded = in_fresh_python(f"import sys, alphalab; print([name for name in {heavy} if name in sys.modules])")
    assert loaded.strip() == "[]"


def test_using_a_campaign_loads_no_sdk():
    heavy = ("anthropic", "openai", "torch", "ray", "matplotlib", "pandas")
    code = f"import sys, alphalab; alphalab.Campaign; print([name for name in {heavy} if name in sys.modules])"
    loaded = in_fresh_python(code)
    assert loaded.strip() == "[]"


def test_importing_is_quick():
    code = "import time; start = time.perf_counter(); import alphalab; print(time.perf_counter() - start)"
    assert statistics.median(float(in_fresh_python(code)) for _ in range(5)) < 0.150


def test_every_public_name_is_there_and_documented():
    for name in alphalab.__all__:
        assert getattr(alphalab, name) is not None
    assert len(alphalab.__all__) <= 55
