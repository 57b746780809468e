"""Ridge regression on lags aligned to the hour: one small linear model for every hour of the forecast.

The target is flow minus its weekly profile, so a lag of 24 hours means the same on Monday as on Friday. The models
belong to one hour of the day at which forecasts start and one length of context.
"""

import numpy as np

# fmt: off
PARAMETERS = {"days": 6, "weeks": 4, "recent": 3, "level": 1, "alpha": 3.0, "pooling": "shared", "clip": 5.0, "fill": "seasonal"}
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
        self.seen = np.isfinite(history)
        self.target = np.where(self.seen, history - usual, 0)  # [hours, sensors], weight 0 where not measured
        self.scale = np.sqrt((self.target**2).sum(0) / np.maximum(self.seen.sum(0), 1)) + 1e-6  # [sensors]
        self.inputs = self.departure(filled(history, usual, PARAMETERS["fill"]), usual)
        # Splits begin on whole days, so forecasts usually start at the hour at which the history starts; others are
        # fitted when they are first asked for, as are shorter contexts.
        reach = self.reach(28 * self.day)
        self.models = {(0, reach): self.train(0, reach)}

    def reach(self, length):
        """How far back inputs may look: the context, four weeks, and half of what there is to learn from."""
        return max(1, min(length, 28 * self.day, (len(self.inputs) - self.horizon) // 2))

    def departure(self, x, usual):
        """Deviation from the profile, with spikes of faulty sensors cut off."""
        bound = PARAMETERS["clip"] * self.scale
        return np.clip(x - usual, -bound, bound).astype(np.float32)  # [hours, sensors]

    def lags(self, step, reach):
        """Distances from the target back to what is known at the origin; `reach` is the context's length."""
        first = -(-(step + 1) // self.day) * self.day  # the latest same hour of the day that is already measured
        days = [first + self.day * i for i in range(PARAMETERS["days"])]
        weeks = [7 * self.day * i for i in range(1, PARAMETERS["weeks"] + 1)]
        recent = [step + 1 + i for i in range(PARAMETERS["recent"])]
        return [lag for lag in sorted({*days, *weeks, *recent}) if step < lag <= reach + step]

    def features(self, x, origins, step, reach):
        columns = [x[origins + step - lag] for lag in self.lags(step, reach)]
        if PARAMETERS["level"]:  # slow level: mean departure of the last day, week and four weeks
            columns += [
                np.stack([x[o - w : o].mean(0) for o in origins])
                for w in (self.day, self.week, 4 * self.week)
                if w <= reach
            ]
        columns.append(np.broadcast_to(self.scale.astype(np.float32), columns[0].shape))
        return np.stack(columns, axis=2)  # [origins, sensors, features]

    def train(self, hour, reach):
        """Weights [horizon, sensors or 1, features] for forecasts that start at one hour of the day."""
        origins = np.arange(reach + (hour - reach) % self.day, len(self.inputs) - self.horizon + 1, self.day)
        return [self.solve(self.features(self.inputs, origins, k, reach), origins + k) for k in range(self.horizon)]

    def solve(self, X, rows):
        per_sensor = PARAMETERS["pooling"] == "sensor"
        X = X.transpose(1, 0, 2) / self.scale[:, None, None]  # [sensors, origins, features]
        W = self.seen[rows].T[..., None]  # [sensors, origins, 1]
        y = (self.target[rows] / self.scale).T[..., None]
        X = X.astype(np.float32)
        if not per_sensor:  # busy sensors count more, as they do in the error
            share = (self.scale / self.scale.mean())[:, None, None]
            X, W, y = (X * share).reshape(1, -1, X.shape[2]), W.reshape(1, -1, 1), (y * share).reshape(1, -1, 1)
        A = (X * W).transpose(0, 2, 1) @ X  # [1 or sensors, features, features]
        b = (X * W).transpose(0, 2, 1) @ y.astype(np.float32)
        ridge = PARAMETERS["alpha"] * 1e-3 * np.trace(A, axis1=1, axis2=2)[:, None, None] / A.shape[1] + 1e-3
        return np.linalg.solve(A + ridge * np.eye(A.shape[1]), b)[..., 0]  # [1 or sensors, features]

    def predict(self, context):
        start = position(network(context, self.mean), self.pattern)
        key = (start % self.day, self.reach(len(context)))
        if key not in self.models:
            self.models[key] = self.train(*key)
        usual = self.profile[(start + np.arange(-len(context), self.horizon)) % self.week]
        x = self.departure(filled(context, usual[: len(context)], PARAMETERS["fill"]), usual[: len(context)])
        out = [
            (self.features(x, np.array([len(context)]), k, key[1])[0] * weights).sum(1)
            for k, weights in enumerate(self.models[key])
        ]
        return np.maximum(usual[len(context) :] + np.stack(out), 0)  # [horizon, sensors]
