"""`demo`: one night from the first line of a plan to the last word of the verdict."""

import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import typer
from rich.console import Console

from oddaemon.cli.demo import morning
from oddaemon.cli.demo.cast import VICTIM, cast
from oddaemon.cli.demo.character import Character
from oddaemon.cli.demo.child import Child
from oddaemon.cli.demo.desk import Desk
from oddaemon.cli.demo.display import displayed
from oddaemon.cli.demo.journal import Journal
from oddaemon.cli.demo.morning import Check
from oddaemon.cli.demo.plan import plan_text
from oddaemon.cli.demo.report import Report, tell
from oddaemon.cli.demo.scene import Narrator, Show
from oddaemon.cli.demo.stage import Stage
from oddaemon.cli.demo.told import Told
from oddaemon.cli.demo.verdict import verdict
from oddaemon.cli.demo.watch import Watch
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure, leaves
from oddaemon.settings import load
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError

KILL_WITHIN_SECONDS = 25.0
"""If the moment that the demo waits for has not come by then, the daemon is killed all the same."""
SETTLED_WITHIN_SECONDS = 35.0


def show_demo(offices: int, seed: int, keep: Path | None) -> None:
    """Live through the night and tell the verdict; anything wrong ends the command with a failure."""
    directory = _directory(keep)
    characters = cast(datetime.now(UTC), offices, seed)
    stage, console = Stage(directory), Console()
    stage.plan.write_text(plan_text(characters, seed), encoding="utf-8")
    report: Report | None = None
    troubles: tuple[Exception, ...] = ()
    try:
        with displayed(console, characters) as show:
            report = anyio.run(_unless_interrupted, stage, characters, show)
    except* (ChildProcessError, OSError, StoreError) as group:
        troubles = leaves(group)
    kept = f"Logs and database are kept in {directory}"
    if report is None:
        reason = "; ".join(map(str, troubles)) or "it was interrupted"
        raise failure(f"the night could not be lived through: {reason}\n{kept}")
    tell(report, console)
    if not report.right:
        typer.echo(kept)
        raise typer.Exit(ExitStatus.FAILED)
    if keep is None:
        shutil.rmtree(directory)
    else:
        typer.echo(kept)


def _directory(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="oddaemon-demo-"))
    try:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise failure(f"{keep} is not empty; --keep wants a new directory")
    except OSError as error:
        raise failure(f"{keep} cannot be used: {error.strerror}") from None
    return keep.absolute()


async def _unless_interrupted(stage: Stage, characters: Sequence[Character], show: Show) -> Report | None:
    report: Report | None = None
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_on, signals, tasks.cancel_scope)
            report = await _night(stage, characters, Narrator(show))
            tasks.cancel_scope.cancel()
    return report


async def _cancel_on(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()
        return


async def _night(stage: Stage, characters: Sequence[Character], narrator: Narrator) -> Report:
    narrator.note(f"A simulated headquarters with {len(characters)} offices is being built.")
    async with stage.simulator():
        narrator.note("It answers. The daemon starts.")
        settings = load(stage.config)
        desk = Desk(urlsplit(settings.api.base_url).netloc)
        async with stage.daemon(1) as first, Database.open_for_reading(settings.state.database) as db:
            watch = Watch(characters, settings, db, desk, Told(VICTIM), narrator)
            narrator.note("It watches every office. Night falls: aging comes due.")
            killed_at_row = await _killed(first, watch)
            async with stage.daemon(2) as second:
                narrator.note("It is back, and goes on from what is stored.")
                settled = await watch.until(watch.all_settled, second, Journal(second.log), SETTLED_WITHIN_SECONDS)
                narrator.note("Every office is settled." if settled else "Not every office is settled: time is over.")
                checks = [morning.resumed(watch.told, killed_at_row), *await _checks(watch, (first, second))]
                return await _judged(watch, checks)


async def _killed(daemon: Child, watch: Watch) -> int:
    """Kill the daemon in the middle of a pull; how many rows of it were stored, 0 if the moment never came."""
    told = watch.told
    reached = await watch.until(lambda: told.is_half_read, daemon, Journal(daemon.log), KILL_WITHIN_SECONDS)
    await daemon.kill()
    row = told.rows if reached else 0
    watch.narrator.note(f"SIGKILL, at row {row:,} of {told.rows_of:,} of {told.victim}. The daemon is dead.")
    return row


async def _checks(watch: Watch, lives: tuple[Child, Child]) -> list[Check]:
    """Look at the living daemon once more, then end it."""
    observable = await morning.observable(watch)
    traffic = await watch.desk.traffic()
    began = watch.narrator.seconds
    status = await lives[-1].stop()
    return [
        morning.polite(traffic),
        observable,
        morning.stopped(status, watch.narrator.seconds - began),
        morning.quiet(watch.told, lives, watch.settings),
    ]


async def _judged(watch: Watch, checks: Sequence[Check]) -> Report:
    watch.narrator.note("Every published snapshot is held against the truth.")
    now = datetime.now(UTC)
    pairs = zip(watch.characters, watch.fleet, strict=True)
    verdicts = [
        await verdict(each, known, watch.runs.get(each.id, ()), now, db=watch.db, desk=watch.desk)
        for each, known in pairs
    ]
    return Report(verdicts, checks, watch.narrator.seconds)
