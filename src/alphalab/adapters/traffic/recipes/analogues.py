"""Analogues: find the past days that were preceded by days like these, and let them vote.

Days are compared by a few principal components of the network's departures from the weekly profile, over the last
days before the origin. What followed, relative to the level at that time, is averaged with weights that fall with
distance. Only days of the same kind (usual traffic volume before and after midnight) are compared.
"""

import numpy as np

# fmt: off
PARAMETERS = {"window": 2, "components": 8, "neighbours": 40, "sharpness": 1.0, "strength": 0.8, "level_days": 7, "level": 0.9, "fill": "seasonal"}
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
        ahead = (np.arange(self.week)[:, None] + np.arange(self.day)) % self.week
        self.volume = self.pattern[ahead].mean(1)  # [week], usual traffic of the day that starts at each hour
        usual = self.profile[np.arange(len(history)) % self.week]
        self.seen = np.isfinite(history)
        self.x = filled(history, usual, PARAMETERS["fill"]) - usual  # [hours, sensors]
        self.usual = usual
        self.scale = (
            np.sqrt((np.where(self.seen, history - usual, 0) ** 2).sum(0) / np.maximum(self.seen.sum(0), 1)) + 1e-6
        )
        self.library = {0: self.build(0)}  # by hour of the day; splits begin on whole days, others come when asked for

    def level(self, x, usual):
        """Slow departure of each sensor as a share of its usual flow."""
        n = min(len(x), PARAMETERS["level_days"] * self.day)
        return PARAMETERS["level"] * x[-n:].sum(0) / np.maximum(usual[-n:].sum(0), 1e-3)  # [sensors]

    def before(self, x, origin):
        """The last days before an origin, compressed later; [window * day * sensors]."""
        need = PARAMETERS["window"] * self.day
        part = np.clip(x[max(0, origin - need) : origin] / self.scale, -4, 4)
        part = np.concatenate([np.zeros((need - len(part), x.shape[1])), part])
        return (part * np.sqrt(self.scale / self.scale.mean())).ravel()

    def build(self, hour):
        need = max(PARAMETERS["window"], PARAMETERS["level_days"]) * self.day
        need = max(1, min(need, (len(self.x) - self.horizon) // 2))
        origins = np.arange(need + (hour - need) % self.day, len(self.x) - self.horizon + 1, self.day)
        past = np.stack([self.before(self.x, o) for o in origins])  # [origins, window * day * sensors]
        _, vectors = np.linalg.eigh(past @ past.T)
        axes = past.T @ vectors[:, -PARAMETERS["components"] :]
        axes = axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-9)
        codes = past @ axes  # [origins, components]
        after = np.stack(
            [
                self.x[o : o + self.horizon] - self.level(self.x[:o], self.usual[:o]) * self.usual[o : o + self.horizon]
                for o in origins
            ]
        )
        bound = 5 * self.scale
        return axes, codes, self.kind(origins % self.week), np.clip(after, -bound, bound).astype(np.float32)

    def kind(self, start):
        return np.stack([self.volume[(start - self.day) % self.week], self.volume[start]], axis=-1)

    def predict(self, context):
        n, start = len(context), position(network(context, self.mean), self.pattern)
        if start % self.day not in self.library:
            self.library[start % self.day] = self.build(start % self.day)
        axes, codes, kinds, after = self.library[start % self.day]
        usual = self.profile[(start + np.arange(-n, self.horizon)) % self.week]
        x = filled(context, usual[:n], PARAMETERS["fill"]) - usual[:n]
        code = self.before(x, n) @ axes
        apart = np.sqrt(((codes - code) ** 2).sum(1))  # [origins]
        unlike = np.abs(kinds - self.kind(np.array(start))).max(1) > 0.08  # another kind of day
        apart = apart + unlike * 10 * np.median(apart)
        best = np.argsort(apart)[: PARAMETERS["neighbours"]]
        weight = np.exp(-PARAMETERS["sharpness"] * apart[best] / max(np.median(apart[best]), 1e-9))
        vote = np.tensordot(weight / weight.sum(), after[best], axes=1)  # [horizon, sensors]
        out = usual[n:] * (1 + self.level(x[-n:], usual[:n])) + PARAMETERS["strength"] * vote
        return np.maximum(out, 0)
