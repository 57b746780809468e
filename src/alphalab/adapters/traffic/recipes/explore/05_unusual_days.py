"""Which days do not follow their weekday, and what announces them?"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore", message="Mean of empty slice|Degrees of freedom|All-NaN")  # sensors can be silent
INK, SECOND, MUTED = "#1f5a99", "#d1622b", "#9aa4af"


def load(folder):
    """Values [hours, sensors] with NaN, the time of each row or None, and the facts of the data."""
    facts = json.loads((folder / "facts.json").read_text()) if (folder / "facts.json").is_file() else {}
    with np.load(folder / "train.npz", allow_pickle=False) as stored:
        time = stored["time"] if "time" in stored.files else None
        return stored["values"].astype(np.float64), time, facts


def canvas(rows, columns):
    """A figure of 1200 x 700 pixels, or None where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None, None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "font.size": 10}
    )
    figure, axes = plt.subplots(rows, columns, figsize=(12, 7), dpi=100, layout="constrained", squeeze=False)
    return figure, axes


def finish(figure, out, result):
    """Save the plot and print what was found."""
    plot = None
    if figure is not None:
        plot = out / "plots" / f"{Path(__file__).stem}.png"
        plot.parent.mkdir(parents=True, exist_ok=True)
        figure.suptitle(result["title"], fontweight="bold")
        figure.savefig(plot)
    print(json.dumps({**result, "plot": None if plot is None else str(plot)}))


def share(value):
    return f"{100 * value:.1f} %"


def number(value):
    """A finite float with four digits, or None."""
    return float(f"{float(value):.4g}") if np.isfinite(value) else None


def main(data, out):
    x, time, facts = load(data)
    day = int(facts.get("steps_per_day", 24))
    week = 7 * day
    seen = np.isfinite(x)
    usual = profile(x, week)[np.arange(len(x)) % week]
    days = len(x) // day
    fold = lambda values: values[: days * day].reshape(days, -1).sum(1)
    expected = fold(np.where(seen, usual, 0))
    ratio = np.where(expected > 0, fold(np.where(seen, x, 0)) / np.maximum(expected, 1e-9), np.nan)
    local = np.array([np.nanmedian(ratio[max(0, i - 10) : i + 11]) for i in range(days)])
    change = ratio - local
    odd = np.abs(change) > max(0.12, 4 * 1.48 * np.nanmedian(np.abs(change)))
    error = fold(np.where(seen, (x - usual) ** 2, 0))
    names = [str(time[i * day])[:10] if time is not None else f"day {i}" for i in range(days)]
    order = np.argsort(-np.abs(np.nan_to_num(change)))[:10]
    evening = eves(x, usual, seen, day, days, odd)
    numbers = {
        "unusual_days": int(odd.sum()),
        "share_of_days": number(odd.mean()),
        "share_of_squared_error_of_the_weekly_profile": number(error[odd].sum() / max(error.sum(), 1e-9)),
        "largest_drop": number(np.nanmin(change)),
        "largest": [f"{names[i]}: {change[i]:+.2f}" for i in order if np.isfinite(change[i])],
        "evening_before_unusual_days": evening[0],
        "evening_before_other_days": evening[1],
    }
    figure, axes = canvas(2, 1)
    if figure is not None:
        top, low = axes[0, 0], axes[1, 0]
        top.plot(ratio, color=INK, lw=0.9)
        top.scatter(np.flatnonzero(odd), ratio[odd], color=SECOND, s=18, zorder=3, label="unusual")
        top.set(
            title="Network total of each day over its weekly profile",
            xlabel="days since the first row",
            ylabel="share of usual",
        )
        top.legend(frameon=False)
        kept = [i for i in order if np.isfinite(change[i])]
        low.barh([names[i] for i in kept][::-1], [100 * change[i] for i in kept][::-1], color=SECOND)
        low.set(title="Furthest from the days around them", xlabel="difference to the usual total [%]")
    finding = (
        f"{int(odd.sum())} of {days} days ({share(odd.mean())}) are far from the days around them and make "
        f"{share(error[odd].sum() / max(error.sum(), 1e-9))} of the weekly profile's squared error. The largest: "
        + (", ".join(numbers["largest"][:4]) or "none")
        + "."
    )
    advice = (
        "Keep unusual days out of profiles, lags and least-squares weights, or each one spoils the following weeks too. The last hours "
        "before an origin can announce one: a holiday's eve does not look like a working evening."
    )
    finish(figure, out, {"title": "Unusual days", "finding": finding, "numbers": numbers, "advice": advice})


def eves(x, usual, seen, day, days, odd):
    """Flow over usual flow in the last quarter of the day before unusual days, and before the others."""
    quarter = [slice((i + 1) * day - day // 4, (i + 1) * day) for i in range(days - 1)]
    share_of = [np.where(seen[q], x[q], 0).sum() / max(np.where(seen[q], usual[q], 0).sum(), 1e-9) for q in quarter]
    share_of, after = np.array(share_of), odd[1:]
    calm = ~odd[:-1]
    mean = lambda values: number(values.mean()) if len(values) else None
    return mean(share_of[after & calm]), mean(share_of[~after & calm])


def profile(x, period):
    pad = np.full((-len(x) % period, x.shape[1]), np.nan)
    return np.nanmean(np.concatenate([x, pad]).reshape(-1, period, x.shape[1]), axis=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("exploration"))
    given = parser.parse_args()
    main(given.data, given.out)
