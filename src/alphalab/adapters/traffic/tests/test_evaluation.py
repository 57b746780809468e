"""Checks of the forecasting evaluation on what is visible; run from the workspace's root with unittest."""

import json
import math
import unittest
from pathlib import Path

import numpy as np

TRAIN = Path("data/train.npz")
EVALUATION = Path("evaluation/evaluation.json")


def rmse(target, forecast):
    """Root of the mean squared error over measured targets, all sensors and hours pooled."""
    seen = ~np.isnan(target)
    return float(np.sqrt(np.mean((forecast[seen] - target[seen]) ** 2)))


def mae(target, forecast):
    seen = ~np.isnan(target)
    return float(np.mean(np.abs(forecast[seen] - target[seen])))


def mase(target, forecast, train, period):
    """Absolute error over the error of repeating the day, measured on the train split."""
    return mae(target, forecast) / mae(train[period:], train[:-period])


class TrainFile(unittest.TestCase):
    """What a submission may learn from."""

    @classmethod
    def setUpClass(cls):
        with np.load(TRAIN, allow_pickle=False) as stored:
            cls.values, cls.sensor = stored["values"], stored["sensor"]
            cls.time = stored["time"] if "time" in stored.files else None
        cls.evaluation = json.loads(EVALUATION.read_text())

    def test_holds_exactly_the_train_split(self):
        self.assertEqual([0, len(self.values)], list(self.evaluation["train"]))

    def test_is_a_float32_table_with_one_name_per_sensor(self):
        self.assertEqual((2, np.float32), (self.values.ndim, self.values.dtype))
        self.assertEqual(self.values.shape[1], len(self.sensor))

    def test_has_no_infinite_value(self):
        self.assertFalse(np.isinf(self.values).any())

    def test_enough_of_it_is_measured(self):
        self.assertGreater(np.isfinite(self.values).mean(), 0.05)

    def test_every_sensor_was_measured_at_least_once(self):
        self.assertTrue(np.isfinite(self.values).any(axis=0).all())

    def test_times_rise_by_one_step(self):
        if self.time is None:
            self.skipTest("the data have no clock")
        steps = np.diff(self.time)
        self.assertEqual(len(self.values), len(self.time))
        self.assertTrue((steps == steps[0]).all() and steps[0] > np.timedelta64(0))

    def test_no_other_file_holds_later_values(self):
        others = [path.name for path in Path("data").iterdir() if path.suffix in {".npz", ".npy", ".csv", ".parquet"}]
        self.assertEqual([TRAIN.name], others)


class Protocol(unittest.TestCase):
    """What `evaluation.json` promises."""

    @classmethod
    def setUpClass(cls):
        cls.evaluation = json.loads(EVALUATION.read_text())

    def test_splits_follow_each_other_without_overlap(self):
        (a, b), (c, d), (e, f) = (self.evaluation[name] for name in ("train", "search", "final"))
        self.assertEqual((0, b, d), (a, c, e))
        self.assertTrue(0 < b < d < f)

    def test_each_scored_split_has_room_for_a_forecast(self):
        for name in ("search", "final"):
            start, end = self.evaluation[name]
            self.assertGreaterEqual(end - start, self.evaluation["horizon"])

    def test_the_first_context_reaches_back_into_the_train_split_only(self):
        self.assertLessEqual(self.evaluation["context"], self.evaluation["search"][0])

    def test_forecasts_do_not_overlap(self):
        """A stride below the horizon would show targets that are still to be answered."""
        self.assertGreaterEqual(self.evaluation["stride"], self.evaluation["horizon"])

    def test_splits_begin_on_whole_days(self):
        for name in ("search", "final"):
            self.assertEqual(0, self.evaluation[name][0] % self.evaluation["period"])

    def test_smaller_errors_are_better(self):
        self.assertEqual(("rmse", "minimize"), (self.evaluation["metric"], self.evaluation["goal"]))


class Metrics(unittest.TestCase):
    """Cases worked out by hand."""

    target = np.array([[1.0, 2.0], [3.0, np.nan]])
    forecast = np.array([[2.0, 2.0], [1.0, 100.0]])

    def test_rmse_pools_what_is_measured(self):
        self.assertAlmostEqual(math.sqrt(5 / 3), rmse(self.target, self.forecast))  # errors 1, 0, 2

    def test_mae_pools_what_is_measured(self):
        self.assertAlmostEqual(1.0, mae(self.target, self.forecast))

    def test_a_missing_target_never_counts(self):
        other = self.forecast.copy()
        other[1, 1] = -1e6
        self.assertEqual(rmse(self.target, self.forecast), rmse(self.target, other))

    def test_mase_divides_by_the_daily_naive_of_the_train_split(self):
        train = np.array([[0.0], [0.0], [2.0], [4.0]])  # a day of two steps: |2 - 0| and |4 - 0|, mean 3
        self.assertAlmostEqual(0.5, mase(np.array([[1.0]]), np.array([[2.5]]), train, 2))

    def test_pooling_differs_from_a_mean_over_sensors(self):
        target, forecast = np.zeros((1, 2)), np.array([[0.0, 2.0]])
        self.assertAlmostEqual(math.sqrt(2), rmse(target, forecast))  # a mean of per-sensor RMSE would be 1

    def test_a_perfect_forecast_has_no_error(self):
        self.assertEqual(0.0, rmse(self.target, np.nan_to_num(self.target)))

    def test_errors_scale_with_the_unit(self):
        self.assertAlmostEqual(10 * rmse(self.target, self.forecast), rmse(10 * self.target, 10 * self.forecast))


if __name__ == "__main__":
    unittest.main()
