"""A convex blend of three unlike forecasts: calendar ridge, reduced-rank regression, seasonal-trend decomposition.

The members are fitted on all but the tail of the training data, forecast that tail day by day, and get the weights
(not negative, summing to one) with the smallest squared error there. Then they are fitted again on everything.
"""

import numpy as np

# fmt: off
PARAMETERS = {"tail": 0.2, "prior": 0.3, "sensor_alpha": 3.0, "unusual": 0.3, "caution": 0.1, "rank": 12, "trend_days": 7, "recent_season": 0.3, "fill": "seasonal"}
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


class Ridge:
    """Ridge with weekend weights; unusual days are kept out of lags and weights, and foreseen from the evening before."""

    def fit(self, history, *, horizon, seed):
        self.horizon = horizon
        self.mean = column_mean(history)  # [sensors]
        level = network(history, self.mean)
        self.day = day_length(level)
        self.week = 7 * self.day if len(history) >= 21 * self.day else self.day
        self.history, place = history, np.arange(len(history)) % self.week
        self.profile = profile(history, self.week)  # [week, sensors]
        self.odd = self.unusual(history, self.profile[place])  # [hours]
        self.profile = profile(np.where(self.odd[:, None], np.nan, history), self.week)
        self.pattern = np.nan_to_num(network(self.profile, self.mean), nan=1.0)  # [week]
        ahead = (np.arange(self.week)[:, None] + np.arange(self.day)) % self.week
        self.volume = self.pattern[ahead].mean(1)  # [week], usual traffic of the day that starts at each hour
        self.usual = self.profile[place]
        self.seen = np.isfinite(history)
        self.target = np.where(self.seen, history - self.usual, 0)  # [hours, sensors], weight 0 where not measured
        normal = self.seen & ~self.odd[:, None]
        self.scale = np.sqrt((self.target**2 * normal).sum(0) / np.maximum(normal.sum(0), 1)) + 1e-6  # [sensors]
        # Splits begin on whole days, so forecasts usually start at the hour at which the history starts; others are
        # fitted when they are first asked for, as are shorter contexts.
        reach = self.reach(28 * self.day)
        self.models = {(0, reach): self.train(0, reach)}

    def reach(self, length):
        """How far back inputs may look: the context, four weeks, and half of what there is to learn from."""
        return max(1, min(length, 28 * self.day, (len(self.history) - self.horizon) // 2))

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

    def departure(self, x, usual, odd):
        """Deviation from the profile, twice: as measured, and with unusual days taken out; [hours, sensors]."""
        seen, bound = np.isfinite(x), 8 * self.scale  # 8: cuts counting errors, keeps accidents
        r = np.clip(np.where(seen, x - usual, 0), -bound, bound)
        level = self.level(r, usual, seen & ~odd[:, None])
        how = PARAMETERS["fill"]
        gap = {"none": np.nan, "zero": -usual, "mean": self.mean - usual, "seasonal": level}[how]
        r = np.where(seen, r, gap)
        return r.astype(np.float32), np.where(odd[:, None], level, r).astype(np.float32)

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

    def features(self, x, sums, origins, step, reach, free):
        """Inputs of one step of the forecast, [origins, sensors, features]; `free` [origins] marks weekends."""
        first = -(-(step + 1) // self.day)  # days back to the latest same hour that is already measured
        days = [self.day * (first + i) for i in range(6)]
        weeks = [7 * self.day * i for i in range(1, 4 + 1)]
        recent = [step + 1 + i for i in range(3)]
        lags = [lag for lag in sorted({*days, *weeks, *recent}) if step < lag <= reach + step]
        at = origins + step
        columns = [x[at - lag] for lag in lags]
        for lag in (l for l in (*days[:2], weeks[0]) if step + 2 < l <= reach + step - 2):  # five hours around it
            columns.append((sums[np.minimum(at - lag + 3, origins)] - sums[at - lag - 2]) / 5)
        for back in (self.day // 4, self.day, 2 * self.day, 7 * self.day, 14 * self.day, 28 * self.day):
            if 0 < back <= reach:
                columns.append((sums[origins] - sums[origins - back]) / back)
        columns.append(np.broadcast_to(self.scale, columns[0].shape))
        X = np.stack(columns, axis=2).astype(np.float32)
        return np.concatenate([X, X * free[:, None, None]], axis=2)

    def sums(self, x):
        return np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0, dtype=np.float64)])

    def free(self, start):
        """Whether the forecast day is usually quieter than most; `start` [origins] is its place in the week."""
        return (self.volume[start] < 0.9 * np.median(self.volume)).astype(np.float32)

    def train(self, hour, reach):
        raw, x = self.departure(self.history, self.usual, self.odd)
        origins = np.arange(reach + (hour - reach) % self.day, len(x) - self.horizon + 1, self.day)
        free, sums = self.free(origins % self.week), self.sums(x)
        weights, missed = [], []
        for k in range(self.horizon):
            X = self.features(x, sums, origins, k, reach, free)
            rows = origins + k
            W = (self.seen[rows] & ~self.odd[rows][:, None]).astype(np.float32)[..., None]
            y = self.target[rows].astype(np.float32)
            w = self.solve(X, W, y)  # [sensors, features]
            weights.append(w)
            missed.append(np.where(self.seen[rows], np.clip((y - (X * w).sum(2)) / self.scale, -5, 5), 0))
        signs = self.signs(raw, origins, origins % self.week)  # [origins, signs]
        spread = signs.std(0) + 1e-6
        signs = signs / spread
        kernel = self.kernel(signs, signs)
        missed = np.stack(missed, axis=1).reshape(len(origins), -1)  # [origins, horizon * sensors]
        known = np.linalg.solve(kernel + 0.1 * np.eye(len(kernel)), missed)
        return weights, signs, spread, known

    def solve(self, X, W, y):
        """Shared ridge weights, then each sensor's correction of them."""
        n, X = X.shape[2], np.ascontiguousarray(X.transpose(1, 0, 2))  # [sensors, origins, features]
        XW = X.transpose(0, 2, 1) * W.transpose(1, 2, 0)  # [sensors, features, origins]
        A, b = XW @ X, (XW @ y.T[..., None])[..., 0]  # [sensors, features, features], [sensors, features]
        all_A, all_b = A.sum(0, dtype=float), b.sum(0, dtype=float)
        size = np.sqrt(np.diag(all_A)) + 1e-9
        shared = np.linalg.solve(all_A / size / size[:, None] + 0.01 * np.eye(n), all_b / size) / size
        ridge = PARAMETERS["sensor_alpha"] * np.trace(A, axis1=1, axis2=2)[:, None, None] / n + 1e-3
        own = np.linalg.solve(A + ridge * np.eye(n), (b - A @ shared)[..., None])[..., 0]
        return (shared + own).astype(np.float32)  # [sensors, features]

    def signs(self, raw, origins, start):
        """What may announce an unusual day: the network's last hours against those of the last two weeks, and the
        usual volume of the days before and after the origin."""
        share = np.sqrt(self.scale) / self.scale
        net = np.clip(raw * share, -5 * np.sqrt(self.scale), 5 * np.sqrt(self.scale)).mean(1)  # [hours]
        hours = np.arange(-6, 0)
        tonight = net[origins[:, None] + hours]
        back = [d for d in range(1, 15) if self.day * d + 6 <= origins.min()]
        before = np.mean([net[origins[:, None] + hours - self.day * d] for d in back], axis=0) if back else 0
        days = np.stack([self.volume[(start - self.day) % self.week], self.volume[start]], axis=1)
        return np.concatenate([tonight - before, days], axis=1)

    def kernel(self, a, b):
        n = 6
        weight = np.array([1 / np.sqrt(n)] * n + [0.7, 0.7])
        apart = (((a[:, None] - b[None]) * weight) ** 2).sum(2)
        return np.exp(-0.5 * apart / 1.0**2)

    def predict(self, context):
        start = position(network(context, self.mean), self.pattern)
        n, key = len(context), (start % self.day, self.reach(len(context)))
        if key not in self.models:
            self.models[key] = self.train(*key)
        weights, signs, spread, known = self.models[key]
        usual = self.profile[(start + np.arange(-n, self.horizon)) % self.week]
        raw, x = self.departure(context, usual[:n], self.unusual(context, usual[:n]))
        at, free, sums = np.array([n]), self.free(np.array([start])), self.sums(x)
        out = np.stack([(self.features(x, sums, at, k, key[1], free)[0] * w).sum(1) for k, w in enumerate(weights)])
        near = self.kernel(self.signs(raw, at, np.array([start])) / spread, signs)  # [1, origins]
        extra = (near @ known).reshape(self.horizon, -1) * self.scale  # [horizon, sensors]
        size = extra.sum() / max(usual[n:].sum(), 1e-6)  # share of the day's traffic
        extra *= size**2 / (size**2 + PARAMETERS["caution"] ** 2)
        return np.maximum(usual[n:] + out + extra, 0)  # [horizon, sensors]


class Factors:
    """Vector autoregression of a few principal components of the network's days."""

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
        n = min(len(x), 7 * self.day)
        return 1 + 0.9 * (x[-n:].sum(0) / np.maximum(usual[-n:].sum(0), 1e-3) - 1)  # [sensors]

    def days(self, x, usual, origin):
        """Departures from level times profile of the last days, newest first; busy sensors weigh more."""
        expected = self.level(x[:origin], usual[:origin]) * usual
        blocks = []
        for back in (*range(1, 3 + 1), 7):
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
        age = 0.5 ** ((len(self.x) - origins) / self.day / 400.0)[:, None]
        A = (X * age).T @ X + 30.0 * np.eye(X.shape[1]) * np.mean(X[:, :-1] ** 2)
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


class Trend:
    """Weekly trend times weekly season; the remainder carries over from the day before."""

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
        return 1 + 0.8 * (np.clip(ratio, 0, 5) - 1)

    def predict(self, context):
        n, start = len(context), position(network(context, self.mean), self.pattern)
        place = (start + np.arange(-n, self.horizon)) % self.week
        usual, season = self.profile[place], self.season[place]
        x = filled(context, usual[:n], PARAMETERS["fill"])
        trend = self.trend(x, usual[:n])
        slope = trend[-1] - trend[-min(n, self.week)]  # change over one week
        level = trend[-1] + 0.2 * slope
        for back in range(n // self.week * self.week, 0, -self.week):  # the season drifts towards the last weeks
            rows = n + np.arange(self.horizon) - back
            ok = rows < n
            fresh = x[rows[ok]] / np.maximum(trend[rows[ok]], 0.05)
            season[n:][ok] += PARAMETERS["recent_season"] * (fresh - season[n:][ok])
        rest = x[-self.day :] - trend[-self.day :] * season[:n][-self.day :]
        steps = np.arange(self.horizon)
        power = 1.0 * self.memory[None, :] ** (1 + steps // self.day)[:, None]
        return np.maximum(level * season[n:] + power * rest[steps % self.day], 0)  # [horizon, sensors]


MEMBERS = (Ridge, Factors, Trend)


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.weights = self.choose(history, horizon, seed)  # [members]
        self.members = self.fitted(history, horizon, seed)

    def fitted(self, history, horizon, seed):
        members = [member() for member in MEMBERS]
        for member in members:
            member.fit(history, horizon=horizon, seed=seed)
        return members

    def choose(self, history, horizon, seed):
        """Weights that would have been best on the tail, drawn towards equal ones where the tail says little."""
        equal = np.full(len(MEMBERS), 1 / len(MEMBERS))
        cut, reach = int(len(history) * (1 - PARAMETERS["tail"])), min(672, len(history) // 2)
        members = self.fitted(history[:cut], horizon, seed)
        day = members[0].day
        origins = range(-(-max(cut, reach) // day) * day, len(history) - horizon + 1, max(day, horizon))
        A, b, total = np.zeros((len(MEMBERS), len(MEMBERS))), np.zeros(len(MEMBERS)), 1e-9
        for o in origins:
            y = history[o : o + horizon].astype(float)
            seen = np.isfinite(y)
            guesses = np.stack([member.predict(history[o - reach : o])[seen] for member in members])  # [members, seen]
            A, b, total = A + guesses @ guesses.T, b + guesses @ y[seen], total + (y[seen] ** 2).sum()
        if not np.isfinite(A).all() or not len(origins):
            return equal
        best = self.simplex(A / total, b / total, equal)
        return (1 - PARAMETERS["prior"]) * best + PARAMETERS["prior"] * equal

    def simplex(self, A, b, w):
        """Smallest squared error over convex weights, by multiplicative updates."""
        for _ in range(2000):
            step = np.exp(-2.0 * (A @ w - b) / max(np.abs(b).max(), 1e-9))
            w = w * step / (w * step).sum()
        return w

    def predict(self, context):
        return sum(w * member.predict(context) for w, member in zip(self.weights, self.members))  # [horizon, sensors]
