import sys
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from alphalab.errors import ConfigError
from alphalab.experiments import Experiment, ExperimentState, rank
from alphalab.measurement import Failure, Measurement, Metric
from alphalab.testing.store_suite import make_proposal, make_score

RMSE = Metric(name="rmse", goal="minimize", unit="km/h")
ACCURACY = Metric(name="accuracy", goal="maximize")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def experiment(number, *values, state=ExperimentState.DONE, **fields):
    name = f"exp-{number:04d}"
    scores = tuple(make_score(name, value, seed=seed) for seed, value in enumerate(values))
    proposal = make_proposal(number, **fields)
    return Experiment(
        id=name, proposal=proposal, state=state, created_at=NOW, updated_at=NOW, scores=scores, author="m"
    )


def measured(value, low, high, **fields):
    return Measurement(value=value, low=low, high=high, **fields)


def ids(board):
    return [row.id for row in board.rows]


def test_best_is_first_by_the_goal():
    experiments = [experiment(1, 2.0), experiment(2, 1.0), experiment(3, 3.0)]
    baselines = [make_score("baseline:mean", 2.5, attempt=0)]
    low = rank(experiments, baselines, RMSE)
    assert ids(low) == ["exp-0002", "exp-0001", "baseline:mean", "exp-0003"]
    assert ids(rank(experiments, baselines, ACCURACY)) == list(reversed(ids(low)))
    assert [row.baseline for row in low.rows] == [False, False, True, False]
    assert low.rows[2].name == "mean"
    assert (low.best.id, low.best.author) == ("exp-0002", "m")


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), max_size=8), st.randoms())
def test_the_order_does_not_depend_on_the_order_of_the_input(values, random):
    experiments = [experiment(number, value) for number, value in enumerate(values, start=9997)]
    board = rank(experiments, [], RMSE)
    random.shuffle(experiments)
    assert rank(experiments, [], RMSE) == board
    assert [(row.value, int(row.id[4:])) for row in board.rows] == sorted(
        (row.value, int(row.id[4:])) for row in board.rows
    )


def test_only_measured_and_living_experiments_compete():
    board = rank(
        [
            experiment(1),
            experiment(2, Failure(kind="crashed", message="x")),
            experiment(3, 1.0, state=ExperimentState.FIXING),
            experiment(4, 1.0, state=ExperimentState.CANCELLED),
            experiment(5, 1.0, state=ExperimentState.SCORED),
            experiment(6, 1.0, state=ExperimentState.ANALYZING),
        ],
        [make_score("baseline:bad", Failure(kind="crashed", message="x"))],
        RMSE,
    )
    assert ids(board) == ["exp-0005", "exp-0006"]


def test_splits_are_apart():
    both = evolve(experiment(1, 1.0), scores=(make_score("exp-0001", 1.0), make_score("exp-0001", 9.0, split="final")))
    board = rank([both, experiment(2, 2.0)], [], RMSE, split="final")
    assert [(row.id, row.value) for row in board.rows] == [("exp-0001", 9.0)]


def test_several_seeds_give_their_mean_and_the_envelope_of_their_intervals():
    first = measured(2.0, 1.5, 2.5, n=30, sandbox="bubblewrap")
    second = measured(4.0, 3.5, 5.0, n=20, sandbox="process")
    row = rank([experiment(1, first, second)], [], RMSE).rows[0]
    assert (row.value, row.low, row.high, row.n, row.seeds, row.sandbox) == (3.0, 1.5, 5.0, 20, 2, "bubblewrap+process")


def test_without_intervals_the_seeds_spread_themselves():
    bare = [Measurement(value=2.0), Measurement(value=4.0)]
    assert [
        rank([experiment(1, *bare)], [], RMSE).rows[0].low,
        rank([experiment(1, *bare[:1])], [], RMSE).rows[0].low,
    ] == [
        2.0,
        None,
    ]


def test_leaders_cannot_be_told_apart_within_the_noise():
    experiments = [experiment(1, 1.0), experiment(2, 1.05), experiment(3, 1.2)]
    board = rank(experiments, [make_score("baseline:mean", 0.9)], RMSE, noise_floor=0.1)
    assert [row.id for row in board.leaders] == ["exp-0001", "exp-0002"]
    assert "Differences up to 0.1 are noise." in str(board)


def test_n_keeps_the_best():
    assert ids(rank([experiment(n, float(n)) for n in range(1, 6)], [], RMSE, n=2)) == ["exp-0001", "exp-0002"]


def test_as_json():
    board = rank([experiment(1, measured(1.0, 0.5, 1.5, n=3))], [], RMSE)
    assert board.to_dict() == {
        "metric": "rmse",
        "goal": "minimize",
        "split": "search",
        "rows": [
            {
                "id": "exp-0001",
                "name": "idea 1",
                "family": "trees",
                "value": 1.0,
                "low": 0.5,
                "high": 1.5,
                "n": 3,
                "baseline": False,
                "sandbox": "none",
            }
        ],
    }


HOSTILE = "<script>alert(1)</script> | 50% & $x_1$ \\input{x} ~^{}\nnew line #1"


def test_text_written_by_a_model_stays_text():
    board = rank([experiment(1, 1.0, name=HOSTILE)], [], RMSE)
    page = board._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    markdown = board.to_markdown()
    row = next(line for line in markdown.splitlines() if "exp" in line)
    assert "<script>" not in markdown
    assert row.replace("\\|", "").count("|") == 10
    latex = next(line for line in board.to_latex().splitlines() if "exp" in line)
    assert r"50\% \& \$x\_1\$ \textbackslash{}input\{x\} \textasciitilde{}\textasciicircum{}\{\} new line \#1" in latex


def test_latex_is_a_booktabs_table():
    text = rank([experiment(1, 1.0)], [make_score("baseline:mean", 2.0)], RMSE).to_latex()
    for part in (
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"rmse (km/h)",
        r"95 \% interval",
        r"\begin{tabular}{lllllllll}",
    ):
        assert part in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 3
    assert {line.count(" & ") for line in rows} == {8}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append(tag)
        assert not any(name.startswith("on") for name, _value in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_well_formed_and_takes_the_colours_of_the_page():
    page = rank([experiment(1, 1.0)], [make_score("baseline:mean", 2.0)], RMSE)._repr_html_()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen.count("tr") == 3
    assert "script" not in tags.seen
    assert "color:inherit" in page
    assert "#" not in page.replace(">#<", "")  # no fixed colours


def test_plain_text_lines_up():
    lines = str(rank([experiment(1, 1.0), experiment(2, 2.0, name="a longer name")], [], RMSE)).splitlines()
    assert lines[0].index("family") == lines[1].index("trees") == lines[2].index("trees")
    assert lines[-1] == "rmse on the search split, lower is better."


def test_an_empty_board_says_so():
    board = rank([], [], RMSE)
    assert board.best is None
    assert board.leaders == ()
    assert "Nothing has been scored yet." in str(board)
    assert "Nothing has been scored yet." in board._repr_html_()
    assert board.to_dict()["rows"] == []


def test_as_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = rank([experiment(1, 1.0), experiment(2, 2.0)], [], RMSE).to_pandas()
    assert list(frame["id"]) == ["exp-0001", "exp-0002"]
    assert frame["value"].dtype == float
    assert list(frame.columns)[-2:] == ["sandbox", "author"]
    assert isinstance(rank([], [], RMSE).to_pandas(), pandas.DataFrame)


def test_without_pandas_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"alphalab\[notebook\]"):
        rank([], [], RMSE).to_pandas()
