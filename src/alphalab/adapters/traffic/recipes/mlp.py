"""A neural network on departures: one small perceptron for all sensors, from the last days to the next.

Each sensor's departures from its weekly profile, divided by their usual size, go in together with what the whole
network did (principal components of the last day) and which kind of day comes next. A linear path runs beside the
hidden layers, so the network only has to learn what a ridge cannot.
"""

import numpy as np
import torch
from torch import nn

# fmt: off
PARAMETERS = {"hidden": 96, "layers": 2, "epochs": 8, "rate": 0.002, "decay": 0.01, "dropout": 0.1, "days": 7, "components": 6, "unusual": 0.3, "fill": "seasonal"}
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


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        width, layers = PARAMETERS["hidden"], []
        for i in range(PARAMETERS["layers"]):
            layers += [nn.Linear(inputs if i == 0 else width, width), nn.GELU(), nn.Dropout(PARAMETERS["dropout"])]
        self.deep = nn.Sequential(*layers, nn.Linear(width, outputs))
        self.linear = nn.Linear(inputs, outputs)
        for last in (self.deep[-1], self.linear):  # begin at the weekly profile
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x):
        return self.linear(x) + self.deep(x)  # [batch, horizon]


class Forecaster:
    def fit(self, history, *, horizon, seed):
        self.horizon, self.seed = horizon, seed
        self.mean = column_mean(history)  # [sensors]
        level = network(history, self.mean)
        self.day = day_length(level)
        self.week = 7 * self.day if len(history) >= 21 * self.day else self.day
        place = np.arange(len(history)) % self.week
        self.profile = profile(history, self.week)  # [week, sensors]
        odd = self.unusual(history, self.profile[place])  # [hours]
        self.profile = profile(np.where(odd[:, None], np.nan, history), self.week)
        self.pattern = np.nan_to_num(network(self.profile, self.mean), nan=1.0)  # [week]
        ahead = (np.arange(self.week)[:, None] + np.arange(self.day)) % self.week
        self.volume = self.pattern[ahead].mean(1)  # [week], usual traffic of the day that starts at each hour
        usual = self.profile[place]
        self.seen = np.isfinite(history)
        self.target = np.where(self.seen, history - usual, 0)  # [hours, sensors], weight 0 where not measured
        normal = self.seen & ~odd[:, None]
        self.scale = np.sqrt((self.target**2 * normal).sum(0) / np.maximum(normal.sum(0), 1)) + 1e-6  # [sensors]
        self.weight = self.seen * np.where(odd, 0.3, 1)[:, None]  # unusual days teach, but do not dictate
        self.inputs = self.departure(history, usual)
        self.models = {0: self.train(0)}  # by hour of the day; splits begin on whole days, others come when asked for

    def unusual(self, x, usual):
        """Hours of days whose network total is far from the usual total."""
        seen, days = np.isfinite(x), -(-len(x) // self.day)
        fold = lambda v: np.pad(v, (0, days * self.day - len(x))).reshape(days, -1).sum(1)
        total, expected = fold(np.where(seen, x, 0).sum(1)), fold(np.where(seen, usual, 0).sum(1))
        ratio = np.where(expected > 0, total / np.maximum(expected, 1e-6), 1)
        return np.repeat(np.abs(ratio - np.median(ratio)) > PARAMETERS["unusual"], self.day)[: len(x)]

    def departure(self, x, usual):
        """Deviation from the profile in units of its usual size, [hours, sensors]."""
        seen, how = np.isfinite(x), PARAMETERS["fill"]
        level = np.where(seen, x - usual, 0).sum(0) / np.maximum(np.where(seen, usual, 0).sum(0), 1e-6)
        gap = {"none": np.nan, "zero": -usual, "mean": self.mean - usual, "seasonal": np.clip(level, -1, 2) * usual}[
            how
        ]
        return np.clip(np.where(seen, x - usual, gap) / self.scale, -5, 5).astype(np.float32)

    def own(self, z, origin):
        """One sensor's inputs: the last days hour by hour, the same hours of earlier weeks, and slow levels."""
        need = max(PARAMETERS["days"] * self.day, 28 * self.day)
        part = z[max(0, origin - need) : origin]
        if len(part) < need:
            part = np.concatenate([np.zeros((need - len(part), z.shape[1]), np.float32), part])
        weeks = [part[need - 7 * self.day * w :][: self.day] for w in (2, 3, 4)]
        levels = [part[-d * self.day :].mean(0, keepdims=True) for d in (1, 7, 28)]
        return np.concatenate([part[need - PARAMETERS["days"] * self.day :], *weeks, *levels]).T  # [sensors, inputs]

    def shared(self, z, origin, start, axes):
        """What all sensors see: components of the last day, the network's last hours, the kind of day."""
        part = z[max(0, origin - self.day) : origin]
        part = np.concatenate([np.zeros((self.day - len(part), z.shape[1]), np.float32), part])
        night = part[-(self.day // 4) :].mean(1)
        kind = [self.volume[(start - self.day) % self.week], self.volume[start % self.week]]
        return np.concatenate([part.ravel() @ axes, 2 * night, 4 * (np.array(kind) - 1)])

    def train(self, hour):
        torch.manual_seed(self.seed)
        need = max(1, min(28 * self.day, (len(self.inputs) - self.horizon) // 2))
        origins = np.arange(need + (hour - need) % self.day, len(self.inputs) - self.horizon + 1, self.day)
        days = np.stack(
            [
                self.inputs[o - self.day : o].ravel() if o >= self.day else 0 * self.inputs[: self.day].ravel()
                for o in origins
            ]
        )
        _, vectors = np.linalg.eigh(days @ days.T)
        axes = days.T @ vectors[:, len(vectors) - PARAMETERS["components"] :]  # [day * sensors, components]
        axes = axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-9) / np.sqrt(days.shape[1] / 10)
        common = np.stack([self.shared(self.inputs, o, o, axes) for o in origins])
        own = np.stack([self.own(self.inputs, o) for o in origins])  # [origins, sensors, inputs]
        rows = origins[:, None] + np.arange(self.horizon)
        target = (self.target[rows] / self.scale).transpose(0, 2, 1)  # [origins, sensors, horizon]
        weight = (self.weight[rows] * (self.scale / self.scale.mean()) ** 2).transpose(0, 2, 1)
        own, common = torch.from_numpy(own).float(), torch.from_numpy(common).float()
        target, weight = torch.from_numpy(np.clip(target, -8, 8)).float(), torch.from_numpy(weight).float()
        return axes, self.descend(own, common, target, weight)

    def descend(self, own, common, target, weight):
        n, sensors = own.shape[:2]
        net = Net(own.shape[2] + common.shape[1], self.horizon)
        batch = 1024
        steps = PARAMETERS["epochs"] * max(1, n * sensors // batch)
        optimizer = torch.optim.AdamW(net.parameters(), lr=PARAMETERS["rate"], weight_decay=PARAMETERS["decay"])
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PARAMETERS["rate"], total_steps=steps + 1)
        average = torch.optim.swa_utils.AveragedModel(
            net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
        )
        draw = torch.Generator().manual_seed(self.seed)
        for _ in range(steps):
            pick = torch.randint(n * sensors, (batch,), generator=draw)
            o, s = pick // sensors, pick % sensors
            guess = net(torch.cat([own[o, s], common[o]], dim=1))  # [batch, horizon]
            loss = (weight[o, s] * (guess - target[o, s]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(net)
        return average.module.eval()

    def predict(self, context):
        n, start = len(context), position(network(context, self.mean), self.pattern)
        if start % self.day not in self.models:
            self.models[start % self.day] = self.train(start % self.day)
        axes, net = self.models[start % self.day]
        usual = self.profile[(start + np.arange(-n, self.horizon)) % self.week]
        z = self.departure(context, usual[:n])
        own = self.own(z, n)
        common = np.repeat(self.shared(z, n, start, axes)[None], len(own), axis=0)
        with torch.no_grad():
            out = net(torch.from_numpy(np.concatenate([own, common], axis=1)).float()).numpy().T
        return np.maximum(usual[n:] + out * self.scale, 0)  # [horizon, sensors]
