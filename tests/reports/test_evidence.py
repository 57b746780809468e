import numpy as np
import pytest

from alphalab.measurement import Measurement, Metric
from alphalab.reports.evidence import compare, example_panels
from alphalab.workspace import Workspace

METRIC = Metric(name="rmse", goal="minimize")


@pytest.fixture
def space(tmp_path):
    return Workspace(tmp_path)


def leave(space, subject, split="search", **arrays):
    path = space.private / "traces" / f"{subject.replace(':', '-')}-{split}-0.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def losses(space, subject, values, weights=None):
    """Leave losses and return the measurement that follows from them, as a root of the mean."""
    values = np.asarray(values, dtype=float)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, dtype=float)
    leave(space, subject, loss=values, weight=weights)
    return subject, Measurement(value=float(np.sqrt(values.sum() / weights.sum())))


def compared(space, one, other, noise_floor=0.0):
    return compare(space, METRIC, one, other, split="search", seed=0, noise_floor=noise_floor)


def test_pairing_finds_a_small_gain_that_two_wide_intervals_hide(space):
    hard = np.random.default_rng(0).uniform(1, 100, 30)
    found = compared(space, losses(space, "exp-0001", hard * 0.95), losses(space, "baseline:A b", hard))
    assert (found.verdict, found.n) == ("better", 30)
    assert found.low <= found.difference <= found.high < 0


def test_scatter_around_zero_is_a_tie(space):
    rng = np.random.default_rng(1)
    found = compared(
        space, losses(space, "exp-0001", rng.uniform(1, 9, 40)), losses(space, "exp-0002", rng.uniform(1, 9, 40))
    )
    assert found.verdict == "tie"
    assert found.low < 0 < found.high


def test_a_difference_within_the_noise_floor_is_a_tie(space):
    hard = np.linspace(1, 2, 20)
    pair = losses(space, "exp-0001", hard), losses(space, "exp-0002", hard * 1.1)
    assert compared(space, *pair).verdict == "better"
    assert compared(space, *pair, noise_floor=1.0).verdict == "tie"


def test_worse_is_said_too_and_units_weigh_as_they_should(space):
    weights = np.array([1, 1, 0, 8] * 6)
    hard = np.linspace(1, 2, 24) * weights
    found = compared(space, losses(space, "exp-0001", hard * 1.2, weights), losses(space, "exp-0002", hard, weights))
    assert found.verdict == "worse"


def test_a_plain_mean_is_recognised(space):
    values = np.array([1.0, 2.0, 3.0, 4.0])
    for subject, factor in (("exp-0001", 1.0), ("exp-0002", 3.0)):
        leave(space, subject, loss=values * factor, weight=np.ones(4))
    found = compared(space, ("exp-0001", Measurement(value=2.5)), ("exp-0002", Measurement(value=7.5)))
    assert found.difference == -5.0


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"loss": np.ones(3)},
        {"loss": np.ones(2), "weight": np.ones(2)},
        {"loss": np.ones((3, 1)), "weight": np.ones((3, 1))},
        {"loss": np.full(3, 50.0), "weight": np.ones(3)},
        {"loss": np.zeros(0), "weight": np.zeros(0)},
    ],
)
def test_losses_that_do_not_carry_the_score_are_not_compared(space, arrays):
    one = losses(space, "exp-0001", [1, 2, 3])
    leave(space, "exp-0002", **arrays)
    assert compared(space, one, ("exp-0002", Measurement(value=2.0))) is None


def test_without_a_trace_nothing_is_compared(space):
    one = losses(space, "exp-0001", [1, 2, 3])
    assert compared(space, one, ("exp-0002", Measurement(value=2.0))) is None
    (space.private / "traces" / "exp-0002-search-0.npz").write_bytes(b"PK\x03\x04 not an archive")
    assert compared(space, one, ("exp-0002", Measurement(value=2.0))) is None


def test_an_example_has_a_panel_per_series_and_gaps(space):
    truth = np.arange(12.0).reshape(4, 3)
    truth[1, 0] = np.nan
    hours = np.datetime64("2024-01-01T00", "h") + np.arange(4)
    leave(space, "exp-0001", "final", example_truth=truth, example_prediction=truth + 1, example_sensor=[2, 0, 5],
          example_time=hours)  # fmt: skip
    space.data.mkdir()
    np.savez(space.data / "train.npz", sensor=np.array(["a", "b", "c"]))
    panels = example_panels(space, "exp-0001", "final", 0)
    assert [panel.name for panel in panels] == ["c", "a", "series 5"]
    assert panels[0].truth == (0.0, None, 6.0, 9.0)
    assert panels[0].times[0] == "2024-01-01T00"


@pytest.mark.parametrize(
    "arrays", [{"loss": np.ones(2)}, {"example_truth": np.ones((2, 2)), "example_prediction": np.ones(2)}]
)
def test_scorers_without_an_example_have_no_panels(space, arrays):
    leave(space, "exp-0001", "final", **arrays)
    assert example_panels(space, "exp-0001", "final", 0) == ()
    assert example_panels(space, "exp-0002", "final", 0) == ()
