"""A database as the program before the restructuring left it: two nights of a small fleet, and a crash.

`python -m tests.contracts.make_database` writes `database/before_restructuring.sqlite` and, beside it, what the program
that made it says of it (`documents.json`, `stored.json`). It was run once, on commit 37b896b, the last one before the
restructuring. **Never write it again with a later program**: a test opens a copy of it and must read the same.

What is in it: an office that is read in statements, with two snapshots, a backfilled day, a backfill in the middle of
its pages and one not begun (smile); one in the middle of a pull in pages (hill); one with a snapshot that is held as
implausible (mesa); a paused one (oak); one that is read by the vendor's report (elm); one that left the configuration
(left); a sink that took everything (book), and one that refuses, so that its deliveries wait in the outbox (hook).
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from typer.testing import CliRunner

from oddaemon.cli.app import app
from oddaemon.core.backfill.job import BackfillTarget
from oddaemon.core.model import Condition, OfficeCredentials, OfficeSpec
from oddaemon.core.office.state import OfficeCommand
from oddaemon.settings import Secret, Settings, load
from oddaemon.settings.tables.office import OfficeSettings
from oddaemon.simulator.api.keys import ApiKey, Mode, Permission
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.store.sqlite.version import prepare
from tests.engine.delivery.fake_consumer import ConsumerBook, ScriptedSink, SinkBehavior
from tests.engine.night import DUE, night
from tests.engine.practice_activity import list_owing_families, post_charge, remove_guarantor
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX
from tests.engine.world import World

DIRECTORY = Path(__file__).parent / "database"
CONFIGURATION = DIRECTORY / "oddaemon.toml"
DATABASE = DIRECTORY / "before_restructuring.sqlite"
DOCUMENTS = DIRECTORY / "documents.json"
STORED = DIRECTORY / "stored.json"

OFFICES = ("elm", "hill", "mesa", "oak", "smile")
SPECS = tuple(
    PracticeSpec(office_id, seed=seed, guarantors=guarantors, settled=5)
    for seed, (office_id, guarantors) in enumerate(
        (("elm", 30), ("hill", 60), ("mesa", 20), ("oak", 20), ("smile", 60), ("left", 12)), start=1
    )
)
PAGE_ROWS = {"hill": 3, "smile": 20}
"""Small pages, so that a crash finds a pull and a backfill in the middle of theirs."""
BACKFILLED, UNDER_WAY, NOT_BEGUN = date(2026, 2, 20), date(2026, 2, 22), date(2026, 2, 24)

ENVIRONMENT = {
    "DEVELOPER_KEY": "planted-developer-key",
    "HOOK_SECRET": "whsec_cGxhbnRlZC13ZWJob29rLXNlY3JldC1vZi1hLXRlc3Q=",
    **{f"{office_id.upper()}_KEY": CUSTOMER_KEY_PREFIX + office_id for office_id in OFFICES},
}

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "status": ("status", "--json"),
    **{f"explain {office_id}": ("explain", office_id, "--json", "--journal", "15") for office_id in OFFICES},
    **{f"balances {office_id}": ("balances", office_id, "--format", "json") for office_id in (*OFFICES, "left")},
    "balances of a backfilled day": ("balances", "smile", "--as-of", BACKFILLED.isoformat(), "--format", "json"),
    "balances of the fleet": ("balances", "--fleet", "--format", "json"),
    "changes": ("changes", "smile", "--format", "json"),
    "changes since a backfilled day": ("changes", "smile", "--from", BACKFILLED.isoformat(), "--format", "json"),
    "history": ("history", "smile", "--format", "json"),
    "history of a reported office": ("history", "elm", "--format", "json"),
    "office list": ("office", "list", "--json"),
    "sink status": ("sink", "status", "--json"),
    "state verify": ("state", "verify", "--json"),
}
"""What is asked of it, by the name under which the answer stands in `documents.json`."""
PLACE = "DIRECTORY"
"""Stands in the answers for wherever the copy is."""


def settings_in(directory: Path) -> Settings:
    """The configuration, as if it stood in `directory`."""
    path = directory / CONFIGURATION.name
    path.write_text(CONFIGURATION.read_text())
    path.chmod(0o600)
    return load(path, ENVIRONMENT)


def api_keys() -> list[ApiKey]:
    """What headquarters accept."""
    return [
        ApiKey(
            CUSTOMER_KEY_PREFIX + spec.office_id,
            spec.office_id,
            Permission.QUERIES,
            Mode.REMOTE,
            rows_override=PAGE_ROWS.get(spec.office_id),
        )
        for spec in SPECS
    ]


def documents(directory: Path) -> dict[str, Any]:
    """What the program says of the database in a directory."""
    config = str(directory / CONFIGURATION.name)
    prepare(directory / DATABASE.name)
    answers = {}
    for name, arguments in COMMANDS.items():
        runner = CliRunner(env={**ENVIRONMENT, "ODDAEMON_CONFIG": None, "COLUMNS": "100"})
        result = runner.invoke(app, [*arguments, "--config", config])
        assert result.exit_code == 0, f"{name}: {result.output}"
        answers[name] = json.loads(result.stdout.replace(str(directory), PLACE))
    return answers


def read_stored(database: Path) -> dict[str, Any]:
    """What the database holds as JSON, which later programs must understand: states, checkpoints, progress."""
    with closing(sqlite3.connect(database)) as connection:
        queries = {
            "states": "SELECT id, state FROM office WHERE state IS NOT NULL ORDER BY id",
            "checkpoints": "SELECT number, checkpoint FROM pull_page ORDER BY number",
            "progress": "SELECT number, progress FROM backfill_page ORDER BY number",
        }
        return {
            name: {str(key): json.loads(text) for key, text in connection.execute(query)}
            for name, query in queries.items()
        }


def as_text(document: object) -> str:
    """How the documents beside the database are written."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


@asynccontextmanager
async def two_nights(directory: Path) -> AsyncIterator[tuple[World, ScriptedSink]]:
    """Two nights up to the crash, and the consumer behind `hook`, which takes nothing at first."""
    settings = settings_in(directory)
    left = OfficeSettings(
        spec=OfficeSpec("left", "Left Behind Dental", zone=next(iter(settings.offices.values())).spec.zone),
        credentials=OfficeCredentials(
            office_id="left",
            developer_key=settings.api.developer_key,
            customer_key=Secret(CUSTOMER_KEY_PREFIX + "left"),
            base_url=settings.api.base_url,
            min_interval_seconds=1.0,
            remote=True,
        ),
        source=settings.source,
    )
    taking, refusing = ScriptedSink(ConsumerBook()), ScriptedSink(ConsumerBook())
    refusing.plan(SinkBehavior.REJECTS)
    sinks = {"book": taking, "hook": refusing}
    async with night(
        directory,
        SPECS,
        settings=replace(settings, offices={**settings.offices, left.spec.id: left}),
        keys=api_keys(),
        make_sink=lambda wanted: sinks[wanted.name],
    ) as world:
        for office_id in (*OFFICES, "left"):
            await world.wait_for_snapshots(1, office_id)
        await world.daemon.admin.backfill.submit([BackfillTarget("smile", BACKFILLED)], 1000)
        await world.wait_for_event("backfill_published")
        await world.apply(settings)
        await world.daemon.admin.commands.run_office_command(OfficeCommand.PAUSE, "oak", 1000)
        await world.wait_for_condition(Condition.PAUSED, "oak")
        await world.sleep_until(DUE - timedelta(minutes=5))
        _disturb(world)
        for office_id in ("elm", "smile"):
            await world.wait_for_snapshots(2, office_id)
        orders = [BackfillTarget("smile", day) for day in (UNDER_WAY, NOT_BEGUN)]
        await world.daemon.admin.backfill.submit(orders, 1000)
        pages = len(world.list_requests("smile"))
        await world.wait_until(lambda: len(world.list_requests("smile")) >= pages + 4)
        assert len(world.list_published("hill")) == 1, "its second pull is over already"
        await world.crash()
        yield world, refusing


def _disturb(world: World) -> None:
    """What the offices do before their second night."""
    post_charge(world.get_practice("smile"), list_owing_families(world.get_practice("smile"))[0])
    remove_guarantor(world.get_practice("smile"), list_owing_families(world.get_practice("smile"))[1])
    for family in list_owing_families(world.get_practice("mesa")):
        remove_guarantor(world.get_practice("mesa"), family)


async def live(directory: Path) -> None:
    """Leave a database in the directory."""
    async with two_nights(directory):
        pass


def main() -> None:
    """Write the database, and what is said of it."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        anyio.run(live, directory, backend_options={"loop_factory": make_virtual_loop})
        made = directory / DATABASE.name
        with closing(sqlite3.connect(made)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        DATABASE.write_bytes(made.read_bytes())
        DOCUMENTS.write_text(as_text(documents(directory)))
        STORED.write_text(as_text(read_stored(made)))


if __name__ == "__main__":
    main()
