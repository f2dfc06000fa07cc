"""A configuration and a real database, as a daemon would have left them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio
import msgspec
from typer.testing import CliRunner, Result

from oddaemon.cli.app import app
from oddaemon.core.model import (
    Balance,
    Condition,
    OfficeSpec,
    Owner,
    Preferences,
    Reader,
    Snapshot,
    Status,
)
from oddaemon.core.office.state import Intent, OfficeState, Published
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import offices, snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices

AGING_DATE = date(2026, 3, 2)
BALANCES = (
    Balance(11, 0, 0, 37000, 0, 0, 0, 26500, 37000),
    Balance(205, 3, 1250, 1250, 0, 0, 0, 0, 1250),
    Balance(9007199254740993, 0, -5, 0, 0, 0, 0, 0, -5),
)
CONFIGURATION = """
[api]
developer_key_env = "DEVELOPER"

[state]
database = "state.db"

[[office]]
id = "bright-smiles"
name = "Bright Smiles [Family] Dentistry"
customer_key_env = "BRIGHT"
timezone = "America/Chicago"

[[office]]
id = "coast-reno"
customer_key_env = "RENO"
enabled = false

[[office]]
id = "hill-street"
name = "Hill Street Dental"
customer_key_env = "HILL"
[office.labels]
group = "coast"

[[office]]
id = "new-oak"
customer_key_env = "OAK"
"""
KEYS = {
    "DEVELOPER": "Qm7xT2kLp9RvWc4Z",
    "BRIGHT": "Hb3nY8sVd5FqXg1J",
    "RENO": "Zk4wN6tBc8MrHj2P",
    "HILL": "Wd9pX5hTz3KqLs7V",
    "OAK": "Tq5vB8nHc2XwKs9R",
}


@dataclass(frozen=True)
class SampleFleet:
    config: Path
    now: datetime

    def run(self, *arguments: str) -> Result:
        return invoke(*arguments, "--config", str(self.config))


def invoke(*arguments: str) -> Result:
    """One command line, inside this process; its standard output is no terminal."""
    return CliRunner(env={**KEYS, "ODDAEMON_CONFIG": None, "COLUMNS": "100"}).invoke(app, arguments)


def write_config(directory: Path, text: str = CONFIGURATION) -> Path:
    path = directory / "oddaemon.toml"
    path.write_text(text)
    return path


def make_fleet(directory: Path) -> SampleFleet:
    """Four offices: one fresh, one blocked, one paused, and one that the daemon has not taken up yet."""
    fleet = SampleFleet(write_config(directory), datetime.now(UTC))
    anyio.run(_fill_database, directory / "state.db", fleet.now)
    return fleet


def make_fresh_state(now: datetime) -> OfficeState:
    published = now - timedelta(hours=2, minutes=10)
    preferences = Preferences("2026-03-02", "2000-01-01 02:00:00", "", "0", "25.4.48.0", published)
    status = Status(
        Condition.FRESH,
        published,
        "Aging of 2026-03-02 is complete.",
        next_action="asks whether aging has completed",
        next_action_at=now + timedelta(minutes=12, seconds=30),
    )
    return OfficeState(
        Intent.PROBE,
        status,
        now + timedelta(minutes=12, seconds=30),
        preferences=preferences,
        published=Published(AGING_DATE, published, len(BALANCES), 1, "all:"),
    )


def make_blocked_state(now: datetime) -> OfficeState:
    status = Status(
        Condition.BLOCKED,
        now - timedelta(days=3, minutes=1),
        "The API does not accept the key (HTTP 401): API key is disabled.",
        Owner.OFFICE,
        "Ask the office whether it disabled it.",
        "reads the office's preferences",
        now + timedelta(minutes=20, seconds=30),
    )
    return OfficeState(Intent.SURVEY, status, now + timedelta(minutes=20, seconds=30), attempts=4)


def make_paused_state(now: datetime) -> OfficeState:
    status = Status(Condition.PAUSED, now - timedelta(hours=5), "Disabled in the configuration.", Owner.US)
    return OfficeState(Intent.SURVEY, status, now)


async def _fill_database(path: Path, now: datetime) -> None:
    fleet = {"bright-smiles": make_fresh_state, "coast-reno": make_paused_state, "hill-street": make_blocked_state}
    names = {"bright-smiles": "Bright Smiles [Family] Dentistry", "hill-street": "Hill Street Dental"}
    async with SqliteDatabase.open(str(path)) as db:
        await register_offices(db, [OfficeSpec(each, names.get(each, each)) for each in fleet])
        for office_id, state in fleet.items():
            await offices.save_state(db, office_id, state(now))
        observed = now - timedelta(hours=2, minutes=10)
        snapshot = Snapshot(AGING_DATE, observed, Reader.STATEMENT, 1, compute_totals(BALANCES), BALANCES)
        await snapshots.publish(db, "bright-smiles", snapshot, make_fresh_state(now), observed)


def parse_json(result: Result) -> dict[str, object]:
    document: dict[str, object] = msgspec.json.decode(result.stdout)
    return document
