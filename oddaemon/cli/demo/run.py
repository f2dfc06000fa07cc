"""The demo: one simulated night, from the plan to the report."""

import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import typer
from rich.console import Console

from oddaemon.cli.args.options import READY_LINE
from oddaemon.cli.demo import final_checks
from oddaemon.cli.demo.display import Display, open_display
from oddaemon.cli.demo.final_checks import FinalCheck
from oddaemon.cli.demo.log_reader import LogSummary
from oddaemon.cli.demo.observer import Observer
from oddaemon.cli.demo.processes import ChildProcess, run_process
from oddaemon.cli.demo.report import Report, print_report
from oddaemon.cli.demo.scenario import INTERRUPTED_OFFICE, OfficeScenario, make_scenarios, render_plan
from oddaemon.cli.demo.simulator_client import SimulatorClient
from oddaemon.cli.demo.verdict import evaluate_office
from oddaemon.cli.output.exit import ExitStatus, fail, flatten_errors
from oddaemon.settings import load
from oddaemon.store.errors import StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase

KILL_WITHIN_SECONDS = 25.0
"""If the expected moment has not come by then, the daemon is killed anyway."""
SETTLED_WITHIN_SECONDS = 35.0
PLAN_NAME = "plan.json"
READY_EVENT = b'"event": "daemon_ready"'


def run_demo(offices: int, seed: int, keep: Path | None) -> None:
    """Run the night and write the report; a failed check ends the command with 1."""
    directory = _prepare_directory(keep)
    scenarios = make_scenarios(datetime.now(UTC), offices, seed)
    console = Console()
    (directory / PLAN_NAME).write_text(render_plan(scenarios, seed), encoding="utf-8")
    report: Report | None = None
    errors: tuple[Exception, ...] = ()
    try:
        with open_display(console, scenarios) as display:
            report = anyio.run(_run_unless_interrupted, directory, scenarios, display)
    except* (ChildProcessError, OSError, StoreError) as group:
        errors = flatten_errors(group)
    location_note = f"Logs and database: {directory}"
    if report is None:
        reason = "; ".join(map(str, errors)) or "it was interrupted"
        raise fail(f"the demo did not finish: {reason}\n{location_note}")
    print_report(report, console)
    if not report.passed:
        typer.echo(location_note)
        raise typer.Exit(ExitStatus.FAILED)
    if keep is None:
        shutil.rmtree(directory)
    else:
        typer.echo(location_note)


def _prepare_directory(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="oddaemon-demo-"))
    try:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise fail(f"{keep} is not empty; --keep needs a new directory")
    except OSError as error:
        raise fail(f"cannot use {keep}: {error.strerror}") from None
    return keep.absolute()


async def _run_unless_interrupted(
    directory: Path, scenarios: Sequence[OfficeScenario], display: Display
) -> Report | None:
    report: Report | None = None
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_on_signal, signals, tasks.cancel_scope)
            report = await _run_night(directory, scenarios, display)
            tasks.cancel_scope.cancel()
    return report


async def _cancel_on_signal(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()
        return


async def _run_night(directory: Path, scenarios: Sequence[OfficeScenario], display: Display) -> Report:
    config = directory / "config" / "oddaemon.toml"
    arguments = ["simulator", "--plan", str(directory / PLAN_NAME), "--config-dir", str(config.parent)]
    display.add_note(f"The simulator starts: headquarters with {len(scenarios)} offices.")
    async with run_process(arguments, directory / "simulator.log") as simulator_process:
        await simulator_process.wait_until_ready(READY_LINE.encode())
        display.add_note("The simulator is ready. The daemon starts.")
        settings = load(config)
        simulator = SimulatorClient(urlsplit(settings.api.base_url).netloc)
        async with (
            _run_daemon(config, directory / "daemon-1.log") as first,
            SqliteDatabase.open_for_reading(settings.state.database_url.reveal()) as db,
        ):
            observer = Observer(scenarios, settings, db, simulator, LogSummary(INTERRUPTED_OFFICE), display)
            display.add_note("The daemon watches every office. Night begins: aging comes due.")
            killed_at_row = await _kill_during_pull(first, observer)
            async with _run_daemon(config, directory / "daemon-2.log") as second:
                display.add_note("The daemon is back, and resumes from its database.")
                settled = await observer.wait_until(observer.is_settled, second, SETTLED_WITHIN_SECONDS)
                display.add_note(
                    "Every office has reached its expected state."
                    if settled
                    else "Time is up: not every office has reached its expected state."
                )
                checks = [
                    final_checks.check_resumed(observer.log_summary, killed_at_row),
                    *await _run_final_checks(observer, (first, second)),
                ]
                return await _make_report(observer, checks)


@asynccontextmanager
async def _run_daemon(config: Path, log: Path) -> AsyncIterator[ChildProcess]:
    async with run_process(["run", "--config", str(config)], log) as daemon:
        await daemon.wait_until_ready(READY_EVENT)
        yield daemon


async def _kill_during_pull(daemon: ChildProcess, observer: Observer) -> int:
    """Kill the daemon in the middle of a pull; the number of its stored rows, 0 if the moment never came."""
    summary = observer.log_summary
    reached = await observer.wait_until(lambda: summary.is_half_pulled, daemon, KILL_WITHIN_SECONDS)
    await daemon.kill()
    row = summary.rows_stored if reached else 0
    observer.display.add_note(
        f"The daemon is killed (SIGKILL) at row {row:,} of {summary.rows_expected:,} of {summary.interrupted_office}."
    )
    return row


async def _run_final_checks(observer: Observer, daemons: tuple[ChildProcess, ChildProcess]) -> list[FinalCheck]:
    """Check the running daemon, then stop it."""
    metrics = await final_checks.check_metrics(observer)
    traffic = await observer.simulator.fetch_traffic(observer.settings)
    started_at = observer.display.seconds
    status = await daemons[-1].stop()
    return [
        final_checks.check_traffic(traffic),
        metrics,
        final_checks.check_shutdown(status, observer.display.seconds - started_at),
        final_checks.check_logs(observer.log_summary, daemons, observer.settings),
    ]


async def _make_report(observer: Observer, checks: Sequence[FinalCheck]) -> Report:
    observer.display.add_note("Every published snapshot is compared with the office's own table.")
    now = datetime.now(UTC)
    configured = observer.settings.offices
    verdicts = [
        await evaluate_office(
            scenario,
            configured[scenario.id].spec,
            office,
            observer.runs.get(scenario.id, {}),
            now,
            db=observer.db,
            simulator=observer.simulator,
        )
        for scenario, office in zip(observer.scenarios, observer.offices, strict=True)
    ]
    return Report(verdicts, checks, observer.display.seconds)
