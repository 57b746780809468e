"""Exponential smoothing: a weekly season that leans on the last weeks, a slow level, and a damped daily one.

Nothing is fitted by descent: five numbers say how fast the season, the level and the hour-by-hour departure forget.
"""

import numpy as np

PARAMETERS = {"season": 0.3, "level_days": 7.0, "level": 0.75, "daily_days": 3.0, "daily": 0.35, "fill": "seasonal"}


DAYS = (24, 48, 96, 144, 288)  # steps per day of hourly, 30, 15, 10 and 5 minute data


def column_mean(x):
    seen = np.isfinite(x)
    return np.where(seen, x, 0).sum(0) / np.maximum(seen.sum(0), 1)  # [sensors], 0 where never measured


def network(x, mean):
    """Flow of the measured sensors relative to what they usually carry together; NaN where nothing was measured."""
    seen = np.isfinite(x)
    total, usual = np.where(seen, x, 0).sum(1), np.where(seen, mean, 0).sum(1)
    return np.where(usual > 0, total / np.where(usual > 0, usual, 1), np.nan)  # [hours]


def day_length(level):
    """Shortest candidate whose autocorrelation is close to the best."""
    level = np.nan_to_num(level - np.nanmean(level)) if np.isfinite(level).any() else np.zeros(len(level))
    days = [d for d in DAYS if len(level) > 2 * d] or [DAYS[0]]
    score = [float(level[d:] @ level[:-d]) / max(1, len(level) - d) for d in days]
    return next(d for d, s in zip(days, score) if s >= 0.9 * max(score) or max(score) <= 0)


def profile(x, period):
    """Mean of each step of the period, [period, sensors]; the sensor's mean where that step was never measured."""
    pad = np.full((-len(x) % period, x.shape[1]), np.nan)
    cube = np.concatenate([x, pad]).reshape(-1, period, x.shape[1])  # [weeks, period, sensors]
    seen = np.isfinite(cube)
    count = seen.sum(0)
    return np.where(count > 0, np.where(seen, cube, 0).sum(0) / np.maximum(count, 1), column_mean(x))


def position(level, pattern):
    """Place in the pattern of the step after `level`: the shift under which the two correlate best."""
    period, seen = len(pattern), np.isfinite(level)
    if not seen.any():
        return len(level) % period
    level = np.where(seen, level - level[seen].mean(), 0)
    place = (np.arange(len(level))[None, :] + np.arange(period)[:, None]) % period  # [shifts, hours]
    wave = np.where(seen, pattern[place], 0)
    wave = np.where(seen, wave - wave.sum(1, keepdims=True) / seen.sum(), 0)
    score = wave @ level / np.maximum(np.sqrt((wave**2).sum(1)), 1e-9)
    return (int(score.argmax()) + len(level)) % period


def filled(x, usual, how):
    """Replace what was not measured; `usual` [hours, sensors] is the profile at the same hours."""
    seen = np.isfinite(x)
    if how == "none":
        return x
    if how == "zero":
        return np.where(seen, x, 0)
    if how == "mean":
        return np.where(seen, x, column_mean(x))
    level = np.where(seen, x, 0).sum(0) / np.maximum(np.where(seen, usual, 0).sum(0), 1e-6)
    return np.where(seen, x, usual * np.where(seen.any(0), np.clip(level, 0, 3), 1))  # seasonal


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.horizon = horizon
        self.mean = column_mean(history)  # [sensors]
        level = network(history, self.mean)
        self.day = day_length(level)
        self.week = 7 * self.day if len(history) >= 21 * self.day else self.day
        self.profile = profile(history, self.week)  # [week, sensors]
        self.pattern = np.nan_to_num(network(self.profile, self.mean), nan=1.0)  # [week]

    def predict(self, context):
        n, start = len(context), position(network(context, self.mean), self.pattern)
        usual = self.profile[(start + np.arange(-n, self.horizon)) % self.week]  # [context + horizon, sensors]
        x = filled(context, usual[:n], PARAMETERS["fill"])
        season = usual.copy()
        for back in range(n // self.week * self.week, 0, -self.week):  # oldest week first, so the latest weighs most
            rows = np.arange(self.horizon) - back
            inside = rows < 0  # a horizon beyond one week repeats the week before
            season[n:][inside] += PARAMETERS["season"] * (x[n + rows[inside]] - season[n:][inside])
        past = np.maximum(usual[:n], 1e-3)
        level = self.recent(x, past, PARAMETERS["level_days"])  # [sensors], flow against the profile
        old = self.recent(x, past, 4 * PARAMETERS["level_days"])  # what the smoothed season already contains
        change = PARAMETERS["level"] * (level - (PARAMETERS["season"] * old + 1 - PARAMETERS["season"]))
        out = season[n:] + change * usual[n:]
        out += PARAMETERS["daily"] * self.daily(x, past * level, self.horizon)
        return np.maximum(out, 0)  # [horizon, sensors]

    def recent(self, x, past, days):
        weight = 0.5 ** (np.arange(len(x), 0, -1) / (days * self.day))  # [context]
        return (weight @ x) / (weight @ past)

    def daily(self, x, expected, horizon):
        """Mean departure at the same hour of the last days, newest first."""
        days, rest = max(1, len(x) // self.day), x - expected
        out, total = np.zeros((horizon, x.shape[1])), np.zeros((horizon, 1))
        for back in range(1, days + 1):
            rows = np.arange(horizon) - back * self.day
            ok = (rows < 0) & (rows >= -len(x))
            weight = 0.5 ** (back / PARAMETERS["daily_days"])
            out[ok] += weight * rest[rows[ok]]
            total[ok] += weight
        return out / np.maximum(total, 1e-9)
