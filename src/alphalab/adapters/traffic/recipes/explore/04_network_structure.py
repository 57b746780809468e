"""How many common factors move the network?"""

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
    x, _, facts = load(data)
    day = int(facts.get("steps_per_day", 24))
    week = 7 * day
    rest = x - profile(x, week)[np.arange(len(x)) % week]
    spread = np.nanstd(rest, axis=0)
    z = np.where(np.isfinite(rest), rest / np.maximum(spread, 1e-9), 0)
    z = np.clip(z, -5, 5)  # one counting error should not be a component
    correlation = z.T @ z / len(z)  # [sensors, sensors]
    values, vectors = np.linalg.eigh(correlation)
    spectrum = np.maximum(values[::-1], 0) / max(values.sum(), 1e-12)
    score = z @ vectors[:, -1]
    if vectors[:, -1].sum() < 0:
        score = -score
    effective = 1 / (spectrum**2).sum()
    off = correlation[~np.eye(len(correlation), dtype=bool)]
    numbers = {
        "sensors": x.shape[1],
        "variance_in_first_component": number(spectrum[0]),
        "variance_in_first_ten_components": number(spectrum[:10].sum()),
        "components_for_half_of_the_variance": int(np.searchsorted(np.cumsum(spectrum), 0.5) + 1),
        "effective_number_of_components": number(effective),
        "median_correlation_of_two_sensors": number(np.median(off)) if off.size else None,
    }
    figure, axes = canvas(1, 2)
    if figure is not None:
        left, right = axes[0]
        left.plot(np.arange(1, len(spectrum) + 1), 100 * np.cumsum(spectrum), color=INK)
        left.set(
            title="Components of the departures",
            xlabel="number of components",
            ylabel="variance explained [%]",
            xscale="log",
            ylim=(0, 101),
        )
        whole = len(score) // day * day
        right.plot(score[:whole].reshape(-1, day).mean(1), color=SECOND, lw=0.9)
        right.set(
            title="First component, daily mean",
            xlabel="days since the first row",
            ylabel="score [standard deviations, summed]",
        )
    finding = (
        f"After the weekly profile is taken out, one component holds {share(spectrum[0])} of the variance and ten hold "
        f"{share(spectrum[:10].sum())} of {x.shape[1]} sensors; half of it needs {numbers['components_for_half_of_the_variance']} components."
    )
    advice = (
        "A few network-wide factors (weather, holidays, season) are worth a low-rank model or shared features; the rest is local, so "
        "keep per-sensor terms and do not expect a full graph model to pay for its cost on one core."
    )
    finish(figure, out, {"title": "Network structure", "finding": finding, "numbers": numbers, "advice": advice})


def profile(x, period):
    pad = np.full((-len(x) % period, x.shape[1]), np.nan)
    return np.nanmean(np.concatenate([x, pad]).reshape(-1, period, x.shape[1]), axis=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("exploration"))
    given = parser.parse_args()
    main(given.data, given.out)
