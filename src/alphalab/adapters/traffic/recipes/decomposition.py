"""Seasonal-trend decomposition: weekly trend times weekly season, and a remainder that returns to zero.

The trend is a centred mean over whole weeks; at the origin it continues with a damped slope. The season is the mean of
flow over trend at each hour of the week. The remainder carries over from the same hour of the day before.
"""

import numpy as np

PARAMETERS = {"trend_days": 7, "slope": 0.2, "shrink": 0.8, "recent_season": 0.3, "carry": 1.0, "fill": "seasonal"}


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
        usual = self.profile[np.arange(len(history)) % self.week]
        x = filled(history, usual, PARAMETERS["fill"])
        trend = self.trend(x, usual)  # [hours, sensors], 1 is the usual level
        self.season = profile(x / np.maximum(trend, 0.05), self.week)  # [week, sensors]
        rest = x - trend * self.season[np.arange(len(x)) % self.week]
        late, early = rest[self.day :], rest[: -self.day]
        bound = 3 * np.sqrt((rest**2).mean(0)) + 1e-6  # an accident should not set the sensor's memory
        late, early = np.clip(late, -bound, bound), np.clip(early, -bound, bound)
        self.memory = np.clip((late * early).sum(0) / np.maximum((early**2).sum(0), 1e-6), 0, 0.9)  # [sensors]

    def trend(self, x, usual):
        """Flow over usual flow, averaged over the last `trend_days` whole days."""
        width = min(PARAMETERS["trend_days"] * self.day, len(x))
        total = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)])
        expected = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(usual, axis=0)])
        end = np.maximum(np.arange(1, len(x) + 1), width)
        ratio = (total[end] - total[end - width]) / np.maximum(expected[end] - expected[end - width], 1e-3)
        return 1 + PARAMETERS["shrink"] * (np.clip(ratio, 0, 5) - 1)

    def predict(self, context):
        n, start = len(context), position(network(context, self.mean), self.pattern)
        place = (start + np.arange(-n, self.horizon)) % self.week
        usual, season = self.profile[place], self.season[place]
        x = filled(context, usual[:n], PARAMETERS["fill"])
        trend = self.trend(x, usual[:n])
        slope = trend[-1] - trend[-min(n, self.week)]  # change over one week
        level = trend[-1] + PARAMETERS["slope"] * slope
        for back in range(n // self.week * self.week, 0, -self.week):  # the season drifts towards the last weeks
            rows = n + np.arange(self.horizon) - back
            ok = rows < n
            fresh = x[rows[ok]] / np.maximum(trend[rows[ok]], 0.05)
            season[n:][ok] += PARAMETERS["recent_season"] * (fresh - season[n:][ok])
        rest = x[-self.day :] - trend[-self.day :] * season[:n][-self.day :]
        steps = np.arange(self.horizon)
        power = PARAMETERS["carry"] * self.memory[None, :] ** (1 + steps // self.day)[:, None]
        return np.maximum(level * season[n:] + power * rest[steps % self.day], 0)  # [horizon, sensors]
