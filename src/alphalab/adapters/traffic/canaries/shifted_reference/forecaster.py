"""The reference with a slip: the week before, read an eighth of a day (three hours) too early."""

import numpy as np

DAYS = (24, 48, 96, 144, 288)  # steps per day of hourly, 30, 15, 10 and 5 minute data


def day_length(x):
    """Shortest candidate whose autocorrelation is close to the best one; x [hours, sensors]."""
    level = np.where(np.isfinite(x), x, np.nan_to_num(column_mean(x))).mean(1)
    level = level - level.mean()
    days = [d for d in DAYS if len(level) > 2 * d] or [DAYS[0]]
    score = [float(level[d:] @ level[:-d]) / max(1, len(level) - d) for d in days]
    return next(d for d, s in zip(days, score) if s >= 0.9 * max(score) or max(score) <= 0)


def column_mean(x):
    seen = np.isfinite(x)
    return np.where(seen, x, 0).sum(0) / np.maximum(seen.sum(0), 1)  # [sensors], 0 where never measured


def repeat(context, horizon, season, fallback):
    """Latest measured value at the same place of the season, else the fallback."""
    steps = np.arange(horizon)
    out = np.full((horizon, context.shape[1]), np.nan)
    back = season
    while back - horizon < len(context) and np.isnan(out).any():
        row = len(context) + steps - back  # [horizon], place of each target one or more seasons earlier
        old = np.where(((row >= 0) & (row < len(context)))[:, None], context[np.clip(row, 0, len(context) - 1)], np.nan)
        out = np.where(np.isnan(out), old, out)
        back += season
    return np.where(np.isnan(out), fallback, out)


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.horizon = horizon
        self.mean = column_mean(history)  # [sensors]
        self.day = day_length(history)

    def predict(self, context):
        week = 7 * self.day
        season = week if week <= len(context) else self.day  # a context shorter than a week has no week to repeat
        late = context[: len(context) - max(1, self.day // 8)]
        return repeat(late, self.horizon, season, self.mean)  # [horizon, sensors]
