"""All paths of a campaign on disk, in one place.

```
workspace/
  campaign.toml            everything needed to open it again, no secrets
  state.db                 SQLite, one writing process
  adapter/                 the 11 files in force, recipes/ beside them
  data/                    what agents and candidates may see: the train split and its description
  exploration/             plan.md notes/ scripts/ plots/ report.md learnings.md
  evaluation/              sealed package: evaluation.json tests/ attacks/ review.json certificate.json seal.json
  private/                 held-out targets; never visible to an agent or a job's candidate
  experiments/exp-0001/    proposal.json submission/ logs/ artifacts/ result.json debrief.md
  playbook.md  reports/  transcripts/  jobs/
```
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from attrs import field, frozen

from alphalab._ids import EXPERIMENT_PREFIX
from alphalab.errors import ToolError


@frozen
class Workspace:
    """Paths below one root; creates nothing by itself."""

    root: Path = field(converter=lambda value: Path(value).expanduser().absolute())  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    @property
    def config(self) -> Path:
        """`campaign.toml`."""
        return self.root / "campaign.toml"

    @property
    def database(self) -> Path:
        """`state.db`."""
        return self.root / "state.db"

    @property
    def adapter(self) -> Path:
        """The adapter's 11 files in force."""
        return self.root / "adapter"

    @property
    def recipes(self) -> Path:
        """Recipes and example scripts that came with the adapter."""
        return self.adapter / "recipes"

    @property
    def data(self) -> Path:
        """What agents and candidates may see of the data."""
        return self.root / "data"

    @property
    def exploration(self) -> Path:
        """The Explorer's folder."""
        return self.root / "exploration"

    @property
    def evaluation(self) -> Path:
        """The evaluation package."""
        return self.root / "evaluation"

    @property
    def private(self) -> Path:
        """Held-out targets."""
        return self.root / "private"

    @property
    def experiments(self) -> Path:
        """One folder per experiment."""
        return self.root / "experiments"

    @property
    def jobs(self) -> Path:
        """Where a local executor keeps which job belongs to which folder."""
        return self.root / "jobs"

    @property
    def playbook(self) -> Path:
        """`playbook.md`."""
        return self.root / "playbook.md"

    @property
    def reports(self) -> Path:
        """Milestone and final reports."""
        return self.root / "reports"

    @property
    def conclusions(self) -> tuple[Path, ...]:
        """The part of `reports` that tells of the final split; agents of a campaign that goes on must not see it."""
        return tuple(self.reports / name for name in ("report.md", "report.html", "figures"))

    @property
    def transcripts(self) -> Path:
        """Every agent's conversation, JSON Lines."""
        return self.root / "transcripts"

    def experiment(self, experiment_id: str) -> Path:
        """Folder of one experiment."""
        return self.experiments / experiment_id

    def submission(self, experiment_id: str) -> Path:
        """What a Worker wrote for one experiment."""
        return self.experiment(experiment_id) / "submission"

    def experiment_ids(self) -> tuple[str, ...]:
        """Ids that have a folder, in order."""
        if not self.experiments.is_dir():
            return ()
        return tuple(
            sorted(path.name for path in self.experiments.iterdir() if path.name.startswith(EXPERIMENT_PREFIX))
        )

    def relative(self, path: Path) -> str:
        """A path as agents name it, relative to the root."""
        return path.absolute().relative_to(self.root).as_posix()


def read_text_within(path: Path, root: Path, *, limit: int = 200_000) -> str:
    """Text of a file that an agent may have written: no link out of the root, no endless file, no encoding error.

    Args:
        path: The file.
        root: Where it must lie after following links.
        limit: Characters that are read at most.

    Raises:
        ToolError: It is not a plain file inside the root.
    """
    real = path.resolve()
    if not real.is_relative_to(root.resolve()) or not real.is_file():
        raise ToolError(f"{path} is not a plain file inside {root}")
    with real.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(limit)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old content or the new one, also after a crash.

    Creates the parent folder. The file is synced before it takes its name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_folder(path: Path) -> None:
    """Remove a folder whatever was put into it: nesting beyond the recursion limit, folders without permissions."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwx", "--", str(path)], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", "--", str(path)], capture_output=True, check=False)
