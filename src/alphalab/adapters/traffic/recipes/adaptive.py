"""Ridge regression that keeps learning: it remembers every context, and fits itself again every few weeks.

Contexts come in order of time and show what earlier forecasts were about, so they are joined to the history. What is
fitted: per step of the forecast a ridge on departures from the weekly profile, with weights for four kinds of day (free
or not, after a free day or not), shared by all sensors and corrected by each. Two kernels then predict what the ridge
misses: the network's last days, in normal times, and its evening, which announces an unusual day.
"""

import numpy as np

# fmt: off
PARAMETERS = {"refit": 14, "days": 6, "recent": 3, "alpha": 0.03, "sensor_alpha": 0.6, "pool": 1.0, "busy": 0.5, "unusual": 0.3, "noise": 20.0, "caution": 0.09, "fill": "seasonal"}
# fmt: on


DAYS = (24, 48, 96, 144, 288)  # steps per day of hourly, 30, 15, 10 and 5 minute data
KINDS = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]])  # common, free, after a free day, both
OWN = 2  # terms of the kinds that each sensor corrects
EVENING = 6  # hours


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


def news(history, context):
    """How many last rows of the context follow the history; None when the two do not overlap."""
    for new in range(1 + len(context) * 3 // 4):  # a short overlap may be chance
        old = min(len(context) - new, len(history))
        tail, head = history[-old:], context[len(context) - new - old : len(context) - new]
        if np.array_equal(tail[-1], head[-1], equal_nan=True) and np.array_equal(tail, head, equal_nan=True):
            return new if np.isfinite(head).any() else None
    return None


def running(x):
    return np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0, dtype=np.float64)])


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.horizon = horizon
        self.learn(history.astype(np.float32))

    def learn(self, history):
        """Fit everything to all that has been seen."""
        self.history, self.learned = history, len(history)
        self.mean = column_mean(history)  # [sensors]
        self.day = day_length(network(history, self.mean))
        self.week = 7 * self.day if len(history) >= 21 * self.day else self.day
        place = np.arange(len(history)) % self.week
        self.profile = profile(history, self.week)  # [week, sensors]
        odd = self.unusual(history, self.profile[place])  # [hours]
        self.profile = profile(np.where(odd[:, None], np.nan, history), self.week)
        self.pattern = np.nan_to_num(network(self.profile, self.mean), nan=1.0)  # [week]
        ahead = (np.arange(self.week)[:, None] + np.arange(self.day)) % self.week
        self.volume = self.pattern[ahead].mean(1)  # [week], usual traffic of the day that starts at each hour
        off, normal = history - self.profile[place], np.isfinite(history) & ~odd[:, None]
        self.scale = np.sqrt((np.where(normal, off, 0) ** 2).sum(0) / np.maximum(normal.sum(0), 1)) + 1e-6  # [sensors]
        self.reach = max(1, min(28 * self.day, (len(history) - self.horizon) // 2))  # how far back inputs look
        # Splits begin on whole days, so forecasts usually start at the hour at which the history starts; others are
        # fitted when they are first asked for.
        self.models = {0: self.train(0)}

    # -- what goes in --------------------------------------------------------------------------------------------------

    def unusual(self, x, usual):
        """Hours of days whose network total is far from the usual total, measured against the last three weeks."""
        seen, days = np.isfinite(x), len(x) // self.day
        skip = len(x) - days * self.day  # count back from the end, where a context meets the forecast
        total = np.where(seen, x, 0).sum(1)[skip:].reshape(days, -1).sum(1)
        expected = np.where(seen, usual, 0).sum(1)[skip:].reshape(days, -1).sum(1)
        ratio = np.where(expected > 0, total / np.maximum(expected, 1e-6), np.nan)  # [days]
        odd = np.zeros(days, bool)
        for i in range(days):
            past = ratio[max(0, i - 21) : i][~odd[max(0, i - 21) : i]]
            past = past[np.isfinite(past)]
            odd[i] = abs(ratio[i] - (np.median(past) if len(past) > 3 else 1)) > PARAMETERS["unusual"]
        return np.concatenate([np.zeros(skip, bool), np.repeat(odd, self.day)])

    def inputs(self, first):
        """Departures from the profile since hour `first`: as measured, without unusual days, and summed up."""
        x = self.history[first:]
        usual = self.profile[np.arange(first, first + len(x)) % self.week]
        odd, seen, bound = self.unusual(x, usual), np.isfinite(x), 8 * self.scale  # 8: cuts counting errors only
        r = np.clip(np.where(seen, x - usual, 0), -bound, bound)
        level = self.level(r, usual, seen & ~odd[:, None])
        how = PARAMETERS["fill"]
        gap = {"none": np.nan, "zero": -usual, "mean": self.mean - usual, "seasonal": level}[how]
        raw = np.where(seen, r, gap).astype(np.float32)
        calm = np.where(odd[:, None], level, raw).astype(np.float32)
        return raw, calm, running(calm), running(usual), odd

    def level(self, r, usual, seen):
        """Slow level of each sensor from the days before, as a share of the profile; half of it is 3 days old."""
        days, decay = -(-len(r) // self.day), 0.5 ** (1 / 3)
        pad = ((0, days * self.day - len(r)), (0, 0))
        num = np.pad(np.where(seen, r, 0), pad).reshape(days, self.day, -1).sum(1)  # [days, sensors]
        den = np.pad(np.where(seen, usual, 0), pad).reshape(days, self.day, -1).sum(1)
        share, a, b = np.zeros(num.shape), np.zeros(num.shape[1]), self.mean * self.day + 1e-6
        for i in range(days):
            share[i] = a / b
            a, b = decay * a + num[i], decay * b + den[i]
        return np.repeat(share, self.day, axis=0)[: len(r)] * usual

    def features(self, x, sums, usual_sums, origins, usual, step):
        """Inputs of one step of the forecast, [origins, sensors, features]; `usual` is the profile at the target."""
        day, first = self.day, step // self.day + 1  # days back to the latest same hour that is already measured
        days = [day * (first + i) for i in range(PARAMETERS["days"]) if day * (i + 1) <= self.reach]
        late = 7 * day * (-(-first // 7) - 1)
        weeks = [late + 7 * day * i for i in range(1, 5) if 7 * day * i <= self.reach]
        at = origins + step
        columns = [x[at - lag] for lag in (*days, *weeks)]
        for lag in (*days[:2], *weeks[:1]):  # five hours around it
            columns.append((sums[np.minimum(at - lag + 3, origins)] - sums[np.maximum(at - lag - 2, 0)]) / 5)
        columns += [x[origins - i] for i in range(1, 1 + min(PARAMETERS["recent"], self.reach))]
        for back in (day // 4, day, 2 * day, 7 * day, 14 * day, 28 * day):
            if 0 < back <= self.reach:
                columns.append((sums[origins] - sums[origins - back]) / back)
        for back in (day, 3 * day, 7 * day, 28 * day):  # level as a share of the profile, applied to the target's
            if back <= self.reach:
                share = (sums[origins] - sums[origins - back]) / np.maximum(
                    usual_sums[origins] - usual_sums[origins - back], 1e-3
                )
                columns.append(np.clip(share, -1, 2) * usual)
        columns += [usual, np.broadcast_to(self.scale, usual.shape)]
        return np.stack(columns, axis=2).astype(np.float32)

    def kind(self, place, step):
        """Kind of the forecast day, a row of KINDS; `place` [origins] is the origin's place in the week."""
        free = self.volume < 0.9 * np.median(self.volume)
        target = (place + step // self.day * self.day) % self.week
        return free[target] + 2 * free[(place - self.day) % self.week]

    # -- what is learned -----------------------------------------------------------------------------------------------

    def train(self, hour):
        raw, x, sums, usual_sums, odd = self.inputs(0)
        origins = np.arange(self.reach + (hour - self.reach) % self.day, len(x) - self.horizon + 1, self.day)
        weights, missed, parts = [], [], {}
        for k in range(self.horizon):
            for j in (k, k + 1):
                if j < self.horizon and j not in parts:
                    usual = self.profile[(origins + j) % self.week]
                    X, kind = self.features(x, sums, usual_sums, origins, usual, j), self.kind(origins, j)
                    y = self.history[origins + j] - usual
                    parts[j] = X, kind, y, *self.moments(X, kind, y, odd[origins + j])
            near = [(parts[j], 1.0 if j == k else PARAMETERS["pool"]) for j in (k - 1, k, k + 1) if j in parts]
            w = self.solve(sum(p[3] * share for p, share in near), sum(p[4] * share for p, share in near))
            X, kind, y = parts[k][:3]
            rest = (y - np.einsum("osf,osf->os", X, w[kind])) / self.scale
            missed.append(np.where(np.isfinite(y), np.clip(rest, -5, 5), 0))
            weights.append(w)
            parts.pop(k - 1, None)
        return weights, *self.surprises(raw, x, origins, np.stack(missed, axis=1), odd)

    def moments(self, X, kind, y, odd):
        """Second moments by kind of day, [kinds, sensors, features, features] and [kinds, sensors, features]."""
        W = np.isfinite(y) & ~odd[:, None]  # [origins, sensors]
        W = W * ((self.scale / self.scale.mean()) ** (-2 * PARAMETERS["busy"])).astype(np.float32)
        X, WX = X.transpose(1, 0, 2), (X * W[..., None].astype(np.float32)).transpose(1, 2, 0)
        y = np.nan_to_num(y).astype(np.float32).T[..., None]
        A = np.stack([WX[..., kind == g] @ X[:, kind == g] for g in range(4)])
        b = np.stack([WX[..., kind == g] @ y[:, kind == g] for g in range(4)])[..., 0]
        return A, b

    def solve(self, A, b):
        """Ridge weights shared by the sensors, then each sensor's correction; [kinds, sensors, features]."""
        n, C = A.shape[-1], KINDS.astype(np.float32)
        all_A, all_b = self.spread(A.sum(1, keepdims=True), C)[0], np.einsum("gi,ga->ia", C, b.sum(1)).ravel()
        size = np.sqrt(np.maximum(np.diag(all_A), 0)) + 1e-9
        shared = np.linalg.solve(all_A / size / size[:, None] + PARAMETERS["alpha"] * np.eye(4 * n), all_b / size)
        shared = (C @ (shared / size).reshape(4, n))[:, None]  # [kinds, 1, features]
        b = b - (A @ shared[..., None].astype(np.float32))[..., 0]
        D = C[:, :OWN]
        own_A, own_b = self.spread(A, D), np.einsum("gi,gsa->sia", D, b).reshape(A.shape[1], -1)
        ridge = PARAMETERS["sensor_alpha"] * np.trace(own_A, axis1=1, axis2=2) / own_A.shape[1] + 1e-3
        own_A = own_A + ridge[:, None, None] * np.eye(own_A.shape[1], dtype=np.float32)
        own = np.linalg.solve(own_A, own_b[..., None]).reshape(len(own_A), -1, n)
        return (shared + np.einsum("gi,sia->gsa", D, own)).astype(np.float32)

    def spread(self, A, C):
        """Moments of the features times each of their kinds' terms, [sensors, terms * features, terms * features]."""
        m, n = C.shape[1], A.shape[-1]
        return np.einsum("gij,gsab->siajb", C[:, :, None] * C[:, None], A, optimize=True).reshape(-1, m * n, m * n)

    def surprises(self, raw, x, origins, missed, odd):
        """Two kernel regressions on what the ridge misses, in turn; `missed` is [origins, horizon, sensors]."""
        normal = np.where(odd[origins[:, None] + np.arange(self.horizon)][..., None], 0, missed)
        codes = self.codes(x, origins)
        size = np.mean((codes**2).sum(1)) + 1e-9
        kernel = codes @ codes.T / size
        drift = np.linalg.solve(kernel + PARAMETERS["noise"] * np.eye(len(kernel)), normal.reshape(len(origins), -1))
        signs = self.signs(raw, origins, origins)  # [origins, signs]
        spread = signs.std(0) + 1e-6
        near = self.kernel(signs / spread, signs / spread)
        rest = missed.reshape(len(origins), -1) - kernel @ drift
        eve = np.linalg.solve(near + 0.1 * np.eye(len(near)), rest)
        return codes / size, drift, signs / spread, spread, eve

    def codes(self, x, origins):
        """The network's last days in units of each sensor's usual departure; busy sensors weigh more."""
        z = (np.clip(x / self.scale, -4, 4) * np.sqrt(self.scale / self.scale.mean())).astype(np.float32)
        n = min(3 * self.day, self.reach)
        return np.stack([z[o - n : o].ravel() for o in origins])  # [origins, hours * sensors]

    def signs(self, raw, origins, place):
        """What may announce an unusual day: the network's last hours against those of the last two weeks, and the
        usual volume of the days before and after the origin."""
        share = np.sqrt(self.scale) / self.scale
        net = np.clip(raw * share, -5 * np.sqrt(self.scale), 5 * np.sqrt(self.scale)).mean(1)  # [hours]
        hours = np.arange(-EVENING, 0)
        tonight = net[origins[:, None] + hours]
        back = [d for d in range(1, 15) if self.day * d + EVENING <= self.reach]
        before = np.mean([net[origins[:, None] + hours - self.day * d] for d in back], axis=0) if back else 0
        days = np.stack([self.volume[(place - self.day) % self.week], self.volume[place % self.week]], axis=1)
        return np.concatenate([tonight - before, days], axis=1)

    def kernel(self, a, b):
        weight = np.array([1 / np.sqrt(EVENING)] * EVENING + [0.7, 0.7])
        return np.exp(-0.5 * (((a[:, None] - b[None]) * weight) ** 2).sum(2))

    # -- forecasts -----------------------------------------------------------------------------------------------------

    def remember(self, context):
        """Join the context to the history; where they do not touch, leave a gap that keeps the place in the week."""
        new, parts = news(self.history, context), [self.history]
        if new is None:
            new, start = len(context), position(network(context, self.mean), self.pattern)
            gap = (start - len(self.history) - len(context)) % self.week
            parts.append(np.full((gap, context.shape[1]), np.nan, np.float32))
        self.history = np.concatenate([*parts, context[len(context) - new :]])

    def predict(self, context):
        self.remember(context.astype(np.float32))
        n = len(self.history)
        if n - self.learned >= PARAMETERS["refit"] * self.day:
            self.learn(self.history)
        if n % self.day not in self.models:
            self.models[n % self.day] = self.train(n % self.day)
        weights, codes, drift, signs, spread, eve = self.models[n % self.day]
        first = max(0, n // self.day - 56) * self.day
        raw, x, sums, usual_sums, _ = self.inputs(first)
        at, place = np.array([n - first]), np.array([n])
        usual, out = self.profile[(n + np.arange(self.horizon)) % self.week], []
        for k, w in enumerate(weights):
            X = self.features(x, sums, usual_sums, at, usual[None, k], k)[0]  # [sensors, features]
            out.append((X * w[self.kind(place, k)[0]]).sum(1))
        drifts = self.codes(x, at) @ codes.T @ drift
        extra = self.kernel(self.signs(raw, at, place) / spread, signs) @ eve
        drifts, extra = (v.reshape(self.horizon, -1) * self.scale for v in (drifts, extra))  # [horizon, sensors]
        size = extra.sum() / max(usual.sum(), 1e-6)  # share of the day's traffic
        extra *= size**4 / (size**4 + PARAMETERS["caution"] ** 4)
        return np.maximum(usual + np.stack(out) + drifts + extra, 0)  # [horizon, sensors]
