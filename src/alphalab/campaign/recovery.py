"""A damaged record is made again from what lies beside it."""

from __future__ import annotations

from pathlib import Path

from alphalab._serde import loads
from alphalab.adapters import load_adapter
from alphalab.campaign.config import read_config
from alphalab.errors import AlphaLabError
from alphalab.evaluation import Certificate, verify_seal
from alphalab.experiments import Store, recover_experiments
from alphalab.phases import PREPARING, put_on_record
from alphalab.workspace import Workspace


def recover(workspace: str | Path) -> tuple[str, ...]:
    """Make a workspace with a damaged record usable again from what lies beside it.

    The board comes back from `experiments/*/result.json` and `proposal.json`. The phases before it count as done when
    the sealed evaluation is intact. The damaged file is kept under another name.

    Returns:
        One sentence per experiment, and one on the evaluation.

    Raises:
        AlphaLabError: There is nothing to recover from, or nothing to recover.
    """
    space = Workspace(workspace)
    if not space.experiments.is_dir():
        raise AlphaLabError(f"{space.root} holds no experiments/ folder to recover from")
    found = recover_experiments(space)
    told = [f"{item.id}: {item.state or 'lost'} {item.problem}".strip() for item in found]
    with Store.open(space.database) as store:
        told.append(_recover_evaluation(store, space))
    return tuple(told)


def _recover_evaluation(store: Store, space: Workspace) -> str:
    config = read_config(space.config)
    try:
        seal = verify_seal(space)
        certificate: Certificate = loads(
            (space.evaluation / "certificate.json").read_text(), Certificate, subject="certificate.json"
        )
    except (AlphaLabError, OSError) as error:
        return f"evaluation: not intact, it will be made again: {error}"
    adapter = load_adapter(space.adapter, options=config.adapter_options)
    with store.transaction():
        put_on_record(store, space, adapter, certificate, seal)
        for phase in PREPARING:
            store.put(f"phase/{phase}", "recovered")
    return f"evaluation: intact, sealed at {seal.sealed_at:%Y-%m-%d %H:%M} UTC"
