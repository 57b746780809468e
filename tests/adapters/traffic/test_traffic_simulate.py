"""The synthetic network: deterministic, named as what it is, and worth modelling."""

import numpy as np
import pytest

from alphalab.adapters.traffic import load_series, simulate, write_simulated


def test_same_seed_same_values_and_every_name_says_synthetic():
    first, again, other = (
        simulate(sensors=6, days=30),
        simulate(sensors=6, days=30),
        simulate(sensors=6, days=30, seed=1),
    )
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values, equal_nan=True)
    assert all(name.startswith("synthetic-") for name in first.sensors)
    assert first.synthetic
    assert first.values.shape == (720, 6)
    assert first.values.dtype == np.float32


def test_values_look_like_counts_with_gaps():
    values = simulate().values
    measured = values[~np.isnan(values)]
    assert measured.min() >= 0
    np.testing.assert_array_equal(measured, np.round(measured))
    assert 0.003 < np.isnan(values).mean() < 0.03
    assert not np.isnan(simulate(gaps=False).values).any()


@pytest.mark.parametrize("seed", range(3))
def test_a_few_weeks_and_the_latest_level_beat_last_week_by_a_fifth(seed):
    values = simulate(seed=seed, gaps=False).values.astype(float)
    origins = range(len(values) * 7 // 10 // 24 * 24, len(values) - 24, 24)

    def rmse(forecast):
        return np.sqrt(np.mean([(forecast(origin) - values[origin : origin + 24]) ** 2 for origin in origins]))

    def week(origin, back, rows=24):
        return values[origin - 168 * back : origin - 168 * back + rows]

    def usual(origin):
        level = values[origin - 24 : origin].mean(0)
        before = np.mean([values[origin - 168 * k - 24 : origin - 168 * k].mean(0) for k in (1, 2, 3)], axis=0)
        return np.mean([week(origin, k) for k in (1, 2, 3)], axis=0) * (level / before) ** 0.7

    weekly = rmse(lambda origin: week(origin, 1))
    daily = rmse(lambda origin: values[origin - 24 : origin])
    assert rmse(usual) < 0.8 * weekly < 0.8 * daily


def test_written_file_reads_back_and_says_that_it_is_synthetic(tmp_path):
    path = write_simulated(tmp_path / "deep" / "network.npz", sensors=3, days=20, seed=2)
    series = load_series(str(path))
    np.testing.assert_array_equal(series.values, simulate(sensors=3, days=20, seed=2).values)
    assert series.synthetic
    assert str(series.start) == "2024-01-01T00"
    before = path.read_bytes()
    write_simulated(path, sensors=3, days=20, seed=2)
    assert path.read_bytes() == before
