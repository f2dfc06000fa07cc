"""`check`: what is wrong with a configuration, what should be thought about, and what it comes to."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from math import ceil
from pathlib import Path

import typer

from oddaemon.cli.configuration import find
from oddaemon.cli.estimate import Estimate, estimate
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.settings import Loaded, Settings, read
from oddaemon.settings.problem import problem_document


def check_configuration(config: Path | None, *, as_json: bool) -> None:
    """Write problems, warnings and a summary; problems end the command with the status of a bad configuration."""
    loaded = read(find(config))
    if as_json:
        typer.echo(json.dumps(check_document(loaded), indent=2, ensure_ascii=False))
    else:
        _tell(loaded)
    if loaded.settings is None:
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION)


def _tell(loaded: Loaded) -> None:
    for problem in loaded.problems:
        typer.echo(str(problem), err=True)
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if loaded.settings is None:
        problems = "1 problem" if len(loaded.problems) == 1 else f"{len(loaded.problems)} problems"
        typer.echo(f"{problems}; nothing would run.", err=True)
        return
    for line in _summary(loaded.settings, estimate(loaded.settings)):
        typer.echo(line)


def _summary(settings: Settings, asked: Estimate) -> Iterator[str]:
    off = len(settings.offices) - asked.offices
    yield f"{settings.source} is good: {_offices(asked.offices)}{f', {off} switched off' if off else ''}."
    for group in asked.groups:
        route = "through headquarters" if group.remote else "on its own network"
        yield f"  {_offices(group.offices)} {route}, {group.min_interval_seconds:g} s between two requests of a key"
    # Rounded up: "at most 0.0 a second" would be less than what a single office asks.
    peak = ceil(round(asked.peak_requests_per_second * 10, 6)) / 10
    yield f"  about {asked.requests_a_day:,.0f} requests a day, at most {peak:,.1f} a second"
    yield f"  database {settings.state.database.partition('///')[2]}"
    yield f"  listens on {settings.http.listen}"
    if asked.peak_requests_per_second > settings.api.max_requests_per_second:
        yield (
            f"  If all were due together, probes would wait for the cap of {settings.api.max_requests_per_second:g} a "
            "second; snapshots come a little later then."
        )


def _offices(number: int) -> str:
    return "1 office" if number == 1 else f"{number:,} offices"


def check_document(loaded: Loaded) -> dict[str, object]:
    """Problems, warnings and summary, in values of JSON."""
    summary = None if loaded.settings is None else asdict(estimate(loaded.settings))
    return {
        "problems": [problem_document(problem) for problem in loaded.problems],
        "warnings": [problem_document(warning) for warning in loaded.warnings],
        "summary": summary,
    }
