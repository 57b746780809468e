"""The parser, and the one place where errors become exit codes.

0: done. 1: the campaign failed. 2: what was asked for cannot work. 130: interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol

from alphalab._version import __version__
from alphalab.errors import AlphaLabError, ConfigError, NotFound

FAILED, MISUSED, INTERRUPTED = 1, 2, 130

Verb = Callable[[argparse.Namespace], int]


class Verbs(Protocol):
    """Where parsers of verbs are added; argparse gives its own class no public name."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:  # noqa: A002 - its name
        """A parser for one more verb."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    Args:
        argv: Arguments without the program's name; None takes the process's own.
    """
    try:
        arguments = make_parser().parse_args(argv)
        return _verb(arguments.verb)(arguments)
    except SystemExit as leaving:  # argparse has said what is wrong, or shown its help
        return leaving.code if isinstance(leaving.code, int) else MISUSED
    except KeyboardInterrupt:
        print("alphalab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, e.g. `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ConfigError, NotFound) as error:
        return _complain(error, MISUSED)
    except (AlphaLabError, OSError) as error:
        return _complain(error, FAILED)


def _complain(error: Exception, code: int) -> int:
    print(f"alphalab: error: {error}", file=sys.stderr)
    return code


def _verb(location: str) -> Verb:
    """The function of a verb; its module, and all that it needs, is imported only now."""
    module, _, name = location.partition(":")
    return getattr(import_module(f"alphalab.cli.{module}"), name)


def positive(text: str) -> int:
    """A whole number above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be above zero")
    return number


def seconds(text: str) -> float:
    """A number of seconds above zero."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be above zero")
    return number


def make_parser() -> argparse.ArgumentParser:
    """The parser with all its verbs."""
    parser = argparse.ArgumentParser(
        prog="alphalab",
        description="Autonomous research: agents explore data, build and attack an evaluation, and run experiments.",
    )
    parser.add_argument("--version", action="version", version=f"alphalab {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_running(verbs)
    _add_looking(verbs)
    _add_adapters(verbs)
    _add_score(verbs)
    doctor = _add(verbs, "doctor", "doctor:doctor", "say what works on this machine, and call each named model once")
    doctor.add_argument("config", nargs="?", metavar="CONFIG.toml", help="call each model that this campaign names")
    doctor.add_argument("--model", action="append", default=[], metavar="NAME", help="call this model; may be repeated")
    doctor.add_argument("--base-url", metavar="URL", help="where the named models are served")
    _add_json(doctor)
    return parser


def _add(verbs: Verbs, name: str, verb: str, summary: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(verb=verb)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, all else on stderr")


_DEMO_SEED = 15
"""One whose draws include a submission that fails on missing values, so that a demo also shows a repair."""


def _add_running(verbs: Verbs) -> None:
    demo = _add(verbs, "demo", "running:demo", "run an offline campaign on simulated traffic; no key, no network")
    demo.add_argument("--workspace", metavar="W", default="demo/traffic", help="its folder (default: %(default)s)")
    demo.add_argument("--experiments", metavar="N", type=positive, default=14, help="default: %(default)s")
    demo.add_argument("--seed", type=int, default=_DEMO_SEED, help="of data and campaign (default: %(default)s)")
    run = _add(verbs, "run", "running:run", "run the campaign that a TOML file describes")
    run.add_argument("config", metavar="CONFIG.toml")
    run.add_argument("--workspace", metavar="W", help="instead of the one the file names")
    run.add_argument("--experiments", metavar="N", type=positive, help="instead of the budget's number")
    resume = _add(verbs, "resume", "running:resume", "go on with a campaign that was interrupted or is to be extended")
    resume.add_argument("workspace", metavar="W")
    resume.add_argument("--experiments", metavar="N", type=positive, help="a new number for the budget")
    for parser in (demo, run, resume):
        parser.add_argument("--workers", metavar="N", type=positive, help="agents that work at once")
        _add_json(parser)


def _add_looking(verbs: Verbs) -> None:
    status = _add(verbs, "status", "looking:status", "show phase, counts, best experiment and cost of a campaign")
    board = _add(verbs, "leaderboard", "looking:leaderboard", "show the best experiments and the baselines among them")
    report = _add(verbs, "report", "looking:report", "write report.md and report.html, and print where they are")
    recover = _add(verbs, "recover", "looking:recover", "make a damaged record again from the files beside it")
    for parser in (status, board, report, recover):
        parser.add_argument("workspace", metavar="W")
    board.add_argument("--split", choices=("search", "final"), default="search", help="default: %(default)s")
    board.add_argument("-n", metavar="N", type=positive, help="only the best N rows")
    for parser in (status, board):
        _add_json(parser)


def _add_adapters(verbs: Verbs) -> None:
    parser = verbs.add_parser("adapters", help="list, show, copy and check adapters", description="Adapters.")
    inner = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = _add(inner, "list", "adapting:list_adapters", "list the adapters that ship with the library")
    show = _add(inner, "show", "adapting:show", "show metric, contract, options and recipes of an adapter")
    show.add_argument("name", metavar="NAME", help="a built-in name or a folder")
    new = _add(inner, "new", "adapting:new", "make an adapter folder of your own from one that is there")
    new.add_argument("folder", metavar="FOLDER", help="a new or empty folder")
    new.add_argument("--from", dest="source", metavar="NAME", default="traffic", help="default: %(default)s")
    check = _add(inner, "check", "adapting:check", "list every problem of an adapter folder")
    check.add_argument("folder", metavar="FOLDER")
    for parser in (listing, show):
        _add_json(parser)


def _add_score(verbs: Verbs) -> None:
    score = _add(verbs, "score", "scoring:score", "score one submission folder with the trusted evaluator")
    score.add_argument("adapter", metavar="ADAPTER", help="a built-in name or a folder")
    score.add_argument("submission", metavar="SUBMISSION", help="its folder; it is not changed")
    score.add_argument("--data", metavar="PATH", required=True, help="a file or an fsspec URL")
    score.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="of the adapter; may be given several times"
    )
    score.add_argument("--split", choices=("search", "final"), default="search", help="default: %(default)s")
    score.add_argument("--seed", type=int, default=0, help="passed to the submission (default: %(default)s)")
    score.add_argument("--time-limit", metavar="S", type=seconds, help="seconds, instead of the manifest's")
    score.add_argument("--sandbox", choices=("auto", "bubblewrap", "none"), default="auto", help="default: %(default)s")
    _add_json(score)
