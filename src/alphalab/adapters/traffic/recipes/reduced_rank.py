"""Reduced-rank regression: the whole network's next day from a few components of its last days.

A day of departures from the weekly profile is one vector [day * sensors]. Its principal components follow a vector
autoregression over the last days and the same weekday of the week before; each sensor keeps its own slow level.
"""

import numpy as np

# fmt: off
PARAMETERS = {"rank": 12, "days": 3, "alpha": 30.0, "level_days": 7, "level": 0.9, "recency_days": 400.0, "fill": "seasonal"}
# fmt: on


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
        seen = np.isfinite(history)
        self.scale = np.sqrt((np.where(seen, history - usual, 0) ** 2).sum(0) / np.maximum(seen.sum(0), 1)) + 1e-6
        self.x, self.usual = filled(history, usual, PARAMETERS["fill"]), usual
        self.models = {0: self.train(0)}  # by hour of the day; splits begin on whole days, others come when asked for

    def level(self, x, usual):
        n = min(len(x), PARAMETERS["level_days"] * self.day)
        return 1 + PARAMETERS["level"] * (x[-n:].sum(0) / np.maximum(usual[-n:].sum(0), 1e-3) - 1)  # [sensors]

    def days(self, x, usual, origin):
        """Departures from level times profile of the last days, newest first; busy sensors weigh more."""
        expected = self.level(x[:origin], usual[:origin]) * usual
        blocks = []
        for back in (*range(1, PARAMETERS["days"] + 1), 7):
            a = origin - back * self.day
            part = x[a : a + self.day] - expected[a : a + self.day] if a >= 0 else np.zeros((self.day, x.shape[1]))
            blocks.append((np.clip(part / self.scale, -4, 4) * self.weight).ravel())
        return np.stack(blocks), expected  # [days, day * sensors], [hours, sensors]

    @property
    def weight(self):
        return np.sqrt(self.scale / self.scale.mean())

    def train(self, hour):
        need = max(1, min(7 * self.day, (len(self.x) - self.horizon) // 2))
        origins = np.arange(need + (hour - need) % self.day, len(self.x) - self.horizon + 1, self.day)
        past, after = [], []
        for o in origins:
            a = max(0, o - 28 * self.day)  # a window, so that each level costs the same
            blocks, expected = self.days(self.x[a : o + self.horizon], self.usual[a : o + self.horizon], o - a)
            past.append(blocks)
            rest = self.x[o : o + self.horizon] - expected[o - a :]
            after.append((np.clip(rest / self.scale, -4, 4) * self.weight).ravel())
        past, after = np.stack(past), np.stack(after)  # [origins, days, day * sensors], [origins, horizon * sensors]
        axes = self.components(past[:, 0])  # [day * sensors, rank]
        out_axes = self.components(after)  # [horizon * sensors, rank]
        X, Y = self.inputs(past @ axes), after @ out_axes
        age = 0.5 ** ((len(self.x) - origins) / self.day / PARAMETERS["recency_days"])[:, None]
        A = (X * age).T @ X + PARAMETERS["alpha"] * np.eye(X.shape[1]) * np.mean(X[:, :-1] ** 2)
        return axes, out_axes, np.linalg.solve(A, (X * age).T @ Y)

    def components(self, rows):
        _, vectors = np.linalg.eigh(rows @ rows.T)
        axes = rows.T @ vectors[:, -PARAMETERS["rank"] :]
        return axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-9)

    def inputs(self, codes):
        return np.concatenate([codes.reshape(len(codes), -1), np.ones((len(codes), 1))], axis=1)

    def predict(self, context):
        n, start = len(context), position(network(context, self.mean), self.pattern)
        if start % self.day not in self.models:
            self.models[start % self.day] = self.train(start % self.day)
        axes, out_axes, weights = self.models[start % self.day]
        usual = self.profile[(start + np.arange(-n, self.horizon)) % self.week]
        x = np.concatenate([filled(context, usual[:n], PARAMETERS["fill"]), np.zeros((self.horizon, context.shape[1]))])
        blocks, expected = self.days(x, usual, n)
        rest = (
            (self.inputs((blocks @ axes)[None]) @ weights @ out_axes.T).reshape(self.horizon, -1)
            / self.weight
            * self.scale
        )
        return np.maximum(expected[n:] + rest, 0)  # [horizon, sensors]
