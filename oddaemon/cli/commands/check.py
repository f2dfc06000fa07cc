"""`check`: problems and warnings of a configuration, its load, what a reload changes, and live checks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from math import ceil
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import DEFAULT_CONCURRENCY, AsJson, Concurrency, Config
from oddaemon.cli.commands.reload import format_config_diff, print_reload
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.diagnostics import show_diagnoses
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.cli.output.fleet_table import describe_replication
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.sources.config_file import find_config, load_settings, require_settings
from oddaemon.cli.sources.daemon_client import DaemonNotRunning, request, require_control_socket
from oddaemon.cli.sources.database import read_database
from oddaemon.cli.sources.diagnosis import (
    diagnose_offices,
    exit_if_unhealthy,
    make_diagnoses_document,
    select_offices,
)
from oddaemon.cli.sources.hosts import compare_with_hosts, describe_comparison, read_replication_document
from oddaemon.core.config_diff import ConfigDiff
from oddaemon.core.reporting.formatting import format_count
from oddaemon.settings import LoadResult, Settings, try_load
from oddaemon.settings.files.problem import make_problem_document
from oddaemon.store import offices

DAY_SECONDS = 86_400.0
REQUESTS_PER_PROBE = 2.0
"""The aging date and, if it has not changed, whether a run is in progress."""
REQUESTS_PER_NIGHT = 24.0
"""Four surveys of five preferences, and a pull with its extras."""

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon check", "oddaemon check --plan", "oddaemon check --live"))
def check(
    config: Config = None,
    as_json: AsJson = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Show what a reload would change: asks the running daemon, or else compares with the database.",
        ),
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Also diagnose every office; exit with 1 if someone must act. See `doctor`.")
    ] = False,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
) -> None:
    if plan and live:
        raise typer.BadParameter("cannot be combined with --plan.", param_hint="--live")
    config_path = find_config(config)
    if live:
        _check_live(config_path, concurrency=concurrency, as_json=as_json)
    elif plan:
        _show_plan(config_path, as_json=as_json)
    else:
        _check_configuration(config_path, as_json=as_json)


@dataclass(frozen=True, slots=True)
class LoadGroup:
    """Offices with the same route and request interval."""

    remote: bool
    min_interval_seconds: float
    offices: int


@dataclass(frozen=True, slots=True)
class LoadEstimate:
    """The requests that the enabled offices cause, as an order of magnitude."""

    offices: int
    groups: tuple[LoadGroup, ...]
    """The largest first."""
    requests_a_day: float
    """With aging running for half of the service's hour."""
    peak_requests_per_second: float
    """With every office due at once."""


def estimate_load(settings: Settings) -> LoadEstimate:
    """The load of a configuration."""
    enabled = [office for office in settings.offices.values() if office.spec.enabled]
    counts = Counter((each.credentials.remote, each.credentials.min_interval_seconds) for each in enabled)
    cadences = [each.spec.cadence for each in enabled]
    probes_a_day = sum(
        DAY_SECONDS / each.idle_probe_seconds + each.start_window_seconds / 2 / each.probe_seconds for each in cadences
    )
    return LoadEstimate(
        offices=len(enabled),
        groups=tuple(LoadGroup(remote, seconds, count) for (remote, seconds), count in counts.most_common()),
        requests_a_day=REQUESTS_PER_PROBE * probes_a_day + REQUESTS_PER_NIGHT * len(enabled),
        peak_requests_per_second=sum(REQUESTS_PER_PROBE / each.probe_seconds for each in cadences),
    )


def _check_configuration(config: Path, *, as_json: bool) -> None:
    """Write problems, warnings and a summary; problems end the command."""
    loaded = try_load(config)
    if as_json:
        print_json(_make_check_document(loaded))
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
        typer.echo(f"{format_count(len(loaded.problems), 'problem')}; the daemon would not start.", err=True)
        return
    for line in _format_summary(loaded.settings, estimate_load(loaded.settings)):
        typer.echo(line)


def _format_summary(settings: Settings, load: LoadEstimate) -> Iterator[str]:
    disabled = len(settings.offices) - load.offices
    offices_text = f"{format_count(load.offices, 'office')}{f', {disabled} disabled' if disabled else ''}"
    yield f"{settings.source} is valid: {offices_text}."
    for group in load.groups:
        route = "through headquarters" if group.remote else "on their own networks"
        yield (
            f"  {format_count(group.offices, 'office')} {route}, {group.min_interval_seconds:g} s "
            "between two requests of a key"
        )
    # Rounded up: "at most 0.0 per second" would be less than one office causes.
    peak = ceil(round(load.peak_requests_per_second * 10, 6)) / 10
    yield f"  about {load.requests_a_day:,.0f} requests per day, at most {peak:,.1f} per second"
    yield f"  database {settings.state.where}"
    yield f"  listens on {settings.http.listen}"
    if load.peak_requests_per_second > settings.api.max_requests_per_second:
        yield (
            f"  If all offices were due at once, probes would wait for the cap of "
            f"{settings.api.max_requests_per_second:g} per second, and snapshots would come a little later."
        )


def _make_check_document(loaded: LoadResult) -> dict[str, object]:
    summary = None if loaded.settings is None else asdict(estimate_load(loaded.settings))
    return {
        "problems": [make_problem_document(problem) for problem in loaded.problems],
        "warnings": [make_problem_document(warning) for warning in loaded.warnings],
        "summary": summary,
    }


def _check_live(config: Path, *, concurrency: int, as_json: bool) -> None:
    if not as_json:
        _check_configuration(config, as_json=False)
        typer.echo()
    loaded = try_load(config)
    if loaded.settings is None and as_json:
        _check_configuration(config, as_json=True)
    settings, _ = require_settings(loaded)
    diagnoses = diagnose_offices(settings, select_offices(settings, ()), concurrency)
    if not as_json:
        show_diagnoses(diagnoses)
    database = read_replication_document(settings)
    if as_json:
        shown = {} if database is None else {"database": database}
        print_json({**_make_check_document(loaded), "live": make_diagnoses_document(diagnoses), **shown})
    elif database is not None:
        typer.echo(f"Database {settings.state.where}: {describe_replication(database)}.")
    exit_if_unhealthy(diagnoses)


def _show_plan(config: Path, *, as_json: bool) -> None:
    try:
        response = request(require_control_socket(config), "GET", "/plan")
    except DaemonNotRunning as error:
        _show_plan_without_daemon(config, error.message, as_json=as_json)
        return
    comparison = compare_with_hosts(try_load(config).settings) if response.status == HTTPStatus.OK else None
    if comparison is not None:
        response.document["hosts"] = comparison
    print_reload(response, as_json=as_json)
    if comparison is not None and not as_json:
        typer.echo(describe_comparison(comparison))


def _show_plan_without_daemon(config: Path, reason: str, *, as_json: bool) -> None:
    """The database holds no settings of offices, so only their ids can be compared."""
    settings = load_settings(config)
    diff, comparison = _diff_with_database(settings), compare_with_hosts(settings)
    if as_json:
        outcome = f"A start would apply: {diff.sentence}"
        shown = {} if comparison is None else {"hosts": comparison}
        print_json({"outcome": outcome, "plan": asdict(diff), "warnings": [], "note": reason, **shown})
        return
    _check_configuration(config, as_json=False)
    typer.echo(f"{reason[:1].upper()}{reason[1:]}.")
    typer.echo(f"Compared with the database, a start would apply: {diff.sentence}")
    for line in format_config_diff(diff):
        typer.echo(line)
    if comparison is not None:
        typer.echo(describe_comparison(comparison))


def _diff_with_database(settings: Settings) -> ConfigDiff:
    configured = settings.offices
    rows = read_database(settings, offices.list_all, if_missing=list[offices.OfficeRow])
    stored = [row.id for row in rows if row.is_configured]
    return ConfigDiff(
        new=tuple(office for office in configured if office not in stored),
        removed=tuple(office for office in stored if office not in configured),
        unchanged=len(configured.keys() & set(stored)),
    )
