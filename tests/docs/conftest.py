"""Makes `doc_pages` importable, and runs pages once each, those that others go on from first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doc_pages import ROOT, uses


@pytest.fixture(scope="session")
def folder_after(tmp_path_factory):
    """The folder in which a page has been run, each once; a page that goes on from another runs in its folder."""
    folders: dict[Path, Path] = {}
    errors: dict[Path, str] = {}

    def after(page: Path) -> Path:
        if page not in folders:
            earlier = uses(page)
            folders[page] = tmp_path_factory.mktemp(page.stem) if earlier is None else after(earlier)
            errors[page] = run_page(page, folders[page])
        assert not errors[page], f"{page.relative_to(ROOT)} does not run:\n{errors[page]}"
        return folders[page]

    return after


def run_page(page: Path, folder: Path) -> str:
    """Run one page's blocks in a process of its own, where warnings are errors too; returns what went wrong."""
    command = [sys.executable, "-W", "error", str(ROOT / "tests/docs/doc_pages.py"), str(page)]
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stderr[-4000:] if done.returncode else ""
