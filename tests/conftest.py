"""What tests need of the machine: a missing part is a skip with a reason, or a failure where it is required.

`ALPHALAB_REQUIRE=bubblewrap,torch,data` names the parts that must be there. `ALPHALAB_TEST_DATA` is the folder with the
real data sets, by default `../shared/data` beside the repository.
"""

import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from alphalab.sandbox import BubblewrapSandbox

# Makes the modules of `tests/support` importable, here and in the processes that jobs start.
sys.path.insert(0, str(Path(__file__).with_name("support")))

DATA = Path(os.environ.get("ALPHALAB_TEST_DATA", Path(__file__).parents[1] / "../shared/data")).resolve()
REQUIRED = {name for name in os.environ.get("ALPHALAB_REQUIRE", "").split(",") if name}
PARTS = {
    "bubblewrap": lambda: "; ".join(BubblewrapSandbox().check()),
    "torch": lambda: "" if find_spec("torch") else "torch is not installed",
    "data": lambda: "" if DATA.is_dir() else f"there is no folder {DATA}; set ALPHALAB_TEST_DATA",
}


@cache
def problem(part: str) -> str:
    return PARTS[part]()


def pytest_configure(config):
    unknown = sorted(REQUIRED - set(PARTS))
    if unknown:
        raise pytest.UsageError(f"ALPHALAB_REQUIRE names {', '.join(unknown)}; known: {', '.join(PARTS)}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for part in PARTS:
        if item.get_closest_marker(part) is not None and problem(part):
            if part in REQUIRED:
                pytest.fail(f"{part} is required and missing: {problem(part)}", pytrace=False)
            pytest.skip(f"{part}: {problem(part)}")


@pytest.fixture(scope="session")
def data_folder():
    """The real data sets; mark the test with `data`."""
    return DATA
