"""`check`: what is wrong with a configuration, what should be thought about, and what it comes to.

`check --live`: the configuration, and then every office that it names.

How much a configuration will ask of the API: orders of magnitude, for whoever must agree to it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import typer

from oddaemon.cli.commands.doctor import diagnose_offices, exit_if_unwell, make_diagnoses_document, select_offices
from oddaemon.cli.output.diagnostics import show_diagnoses
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.cli.sources.config_file import find_config, require_settings
from oddaemon.settings import LoadResult, Settings, try_load
from oddaemon.settings.files.problem import make_problem_document

DAY_SECONDS = 86_400.0
REQUESTS_PER_PROBE = 2.0
"""The date, and where it has not moved whether a run is in progress."""
REQUESTS_PER_NIGHT = 24.0
"""Four surveys of five preferences, and a pull with what it may need besides."""


@dataclass(frozen=True, slots=True)
class LoadGroup:
    """Offices that are asked in the same way."""

    remote: bool
    min_interval_seconds: float
    offices: int


@dataclass(frozen=True, slots=True)
class LoadEstimate:
    """What the offices that are switched on come to."""

    offices: int
    groups: tuple[LoadGroup, ...]
    """The largest first."""
    requests_a_day: float
    """With aging running for half of the service's hour."""
    peak_requests_per_second: float
    """With every office due at once."""


def estimate_load(settings: Settings) -> LoadEstimate:
    """What these settings will ask for."""
    enabled = [office for office in settings.offices if office.office.enabled]
    counts = Counter((office.remote, office.min_interval_seconds) for office in enabled)
    cadence = settings.cadence
    probes_a_day = DAY_SECONDS / cadence.idle_probe_seconds + cadence.start_window_seconds / 2 / cadence.probe_seconds
    return LoadEstimate(
        offices=len(enabled),
        groups=tuple(LoadGroup(remote, seconds, count) for (remote, seconds), count in counts.most_common()),
        requests_a_day=len(enabled) * (REQUESTS_PER_PROBE * probes_a_day + REQUESTS_PER_NIGHT),
        peak_requests_per_second=len(enabled) * REQUESTS_PER_PROBE / cadence.probe_seconds,
    )


def check_configuration(config: Path | None, *, as_json: bool) -> None:
    """Write problems, warnings and a summary; problems end the command with the status of a bad configuration."""
    loaded = try_load(find_config(config))
    if as_json:
        typer.echo(json.dumps(make_check_document(loaded), indent=2, ensure_ascii=False))
    else:
        _print_result(loaded)
    if loaded.settings is None:
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION)


def _print_result(loaded: LoadResult) -> None:
    for problem in loaded.problems:
        typer.echo(str(problem), err=True)
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if loaded.settings is None:
        problems = "1 problem" if len(loaded.problems) == 1 else f"{len(loaded.problems)} problems"
        typer.echo(f"{problems}; nothing would run.", err=True)
        return
    for line in _format_summary(loaded.settings, estimate_load(loaded.settings)):
        typer.echo(line)


def _format_summary(settings: Settings, load: LoadEstimate) -> Iterator[str]:
    disabled = len(settings.offices) - load.offices
    yield (
        f"{settings.source} is good: "
        f"{_format_office_count(load.offices)}{f', {disabled} switched off' if disabled else ''}."
    )
    for group in load.groups:
        route = "through headquarters" if group.remote else "on its own network"
        yield (
            f"  {_format_office_count(group.offices)} {route}, {group.min_interval_seconds:g} s "
            "between two requests of a key"
        )
    # Rounded up: "at most 0.0 a second" would be less than what a single office asks.
    peak = ceil(round(load.peak_requests_per_second * 10, 6)) / 10
    yield f"  about {load.requests_a_day:,.0f} requests a day, at most {peak:,.1f} a second"
    yield f"  database {settings.state.database.partition('///')[2]}"
    yield f"  listens on {settings.http.listen}"
    if load.peak_requests_per_second > settings.api.max_requests_per_second:
        yield (
            f"  If all were due together, probes would wait for the cap of {settings.api.max_requests_per_second:g} a "
            "second; snapshots come a little later then."
        )


def _format_office_count(number: int) -> str:
    return "1 office" if number == 1 else f"{number:,} offices"


def make_check_document(loaded: LoadResult) -> dict[str, object]:
    """Problems, warnings and summary, in values of JSON."""
    summary = None if loaded.settings is None else asdict(estimate_load(loaded.settings))
    return {
        "problems": [make_problem_document(problem) for problem in loaded.problems],
        "warnings": [make_problem_document(warning) for warning in loaded.warnings],
        "summary": summary,
    }


def check_live(config: Path | None, *, concurrency: int, as_json: bool) -> None:
    """Check the configuration as `check` does, then examine its offices; ends with 1 if one needs somebody."""
    config_path = find_config(config)
    if not as_json:
        check_configuration(config_path, as_json=False)
        typer.echo()
    loaded = try_load(config_path)
    if loaded.settings is None and as_json:
        check_configuration(config_path, as_json=True)
    settings, _ = require_settings(loaded)
    diagnoses = diagnose_offices(settings, select_offices(settings, ()), concurrency)
    if as_json:
        document = {**make_check_document(loaded), "live": make_diagnoses_document(diagnoses)}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        show_diagnoses(diagnoses)
    exit_if_unwell(diagnoses)
