"""`support-bundle`: what a helper needs to see in one file, and nothing that is nobody else's to see."""

import json
import os
import platform
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import anyio
import typer

from oddaemon import __version__
from oddaemon.cli.bundle import NOT_IN_IT, Bundle
from oddaemon.cli.configuration import find
from oddaemon.cli.failing import failure
from oddaemon.cli.fleet import known_offices
from oddaemon.cli.gauge import gauge
from oddaemon.cli.looking import SilenceError, look, metrics_text
from oddaemon.core.status import status_document
from oddaemon.engine.details import entry_document
from oddaemon.engine.inspector import FleetDocument, Source
from oddaemon.settings import Loaded, Settings, read, shown_files
from oddaemon.settings.problem import did_you_mean
from oddaemon.settings.secret import secrets_in
from oddaemon.sinks.formats.export import standing_alone
from oddaemon.store import journal
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.facts import facts
from oddaemon.store.room import size_text
from oddaemon.telemetry.redaction import Redactor

ENTRIES_MAX = 100_000
"""Of each office: as many as are ever kept."""
AMOUNT = "bal_total"
"""The one amount of the documents: of a small office it could be a patient's."""


def make_bundle(config: Path | None, offices: Sequence[str], output: Path | None) -> None:
    """Write the bundle and say what is in it; what cannot be had is said too, and only an unknown office ends it."""
    place = find(config)
    loaded = read(place)
    bundle = Bundle(datetime.now(UTC), Redactor())
    bundle.redactor.hide(secret.reveal() for secret in secrets_in(loaded.settings))
    _add_configuration(bundle, place, loaded)
    _add_versions(bundle)
    told = _add_daemon(bundle, place)
    if loaded.settings is None:
        bundle.lacks("journal/, offices/, store.json", "the configuration is not good, so nobody knows the database")
    else:
        anyio.run(_add_database, bundle, loaded.settings, offices, told)
    target = output or Path(f"{bundle.name}.tar.gz")
    content = bundle.packed()
    try:
        with standing_alone(target.resolve()) as file:
            file.write(content)
    except OSError as error:
        raise failure(f"{target} cannot be written: {error.strerror}; nothing is changed there.") from error
    for line in _summary(bundle, target, len(content)):
        typer.echo(line)


def _add_configuration(bundle: Bundle, place: Path, loaded: Loaded) -> None:
    bundle.tell(
        "configuration/", "the configuration as it was read: without comments, and without what could be secret"
    )
    files = shown_files(place)
    for number, (path, text) in enumerate(files):
        # Files of several directories may have one name.
        bundle.add(f"configuration/{number:05}-{path.name}", f"# {path}\n{text}")
    if files:
        bundle.tell("configuration/", "the configuration, without comments and without what could be secret")
    else:
        bundle.lacks("configuration/", f"{place} cannot be read; check.json says why")
    bundle.tell("check.json", "what is wrong with the configuration, and what should be thought about")
    problems, warnings = ([str(each) for each in found] for found in (loaded.problems, loaded.warnings))
    bundle.add_json("check.json", {"problems": problems, "warnings": warnings})


def _add_versions(bundle: Bundle) -> None:
    bundle.tell("versions.json", "versions of oddaemon, Python, its packages, SQLite and the system")
    packages = {found.metadata["Name"]: found.version for found in distributions()}
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    bundle.add_json(
        "versions.json",
        {
            "oddaemon": __version__,
            "python": sys.version,
            "sqlite": sqlite3.sqlite_version,
            "platform": platform.platform(),
            "system": system.get("PRETTY_NAME", ""),
            "processors": os.cpu_count(),
            "zone": datetime.now().astimezone().tzname(),
            "packages": dict(sorted(packages.items())),
        },
    )


def _add_daemon(bundle: Bundle, place: Path) -> bool:
    """What the running daemon tells; false: it tells nothing."""
    try:
        _, status = look(place, "/status", FleetDocument)
        metrics = metrics_text(place)
    except SilenceError as silence:
        bundle.lacks("metrics.txt", str(silence))
        return False
    bundle.tell("status.json", "how every office stands, and the daemon, as it told itself")
    bundle.add_json("status.json", without_amounts(status))
    bundle.tell("metrics.txt", "the metrics of the running daemon")
    bundle.add("metrics.txt", metrics)
    return True


async def _add_database(bundle: Bundle, settings: Settings, wanted: Sequence[str], told: bool) -> None:
    bundle.tell("store.json", "the database: its revision, sizes and counts, or why it cannot be read")
    try:
        async with Database.open_for_reading(settings.state.database) as db:
            bundle.add_json("store.json", asdict(await facts(db)))
            await _add_offices(bundle, db, settings, wanted, told)
    except StoreError as error:
        bundle.add_json("store.json", {"path": str(settings.state.path), "error": error.what, "advice": error.advice})
        bundle.lacks("journal/, offices/", error.what)


async def _add_offices(bundle: Bundle, db: Database, settings: Settings, wanted: Sequence[str], told: bool) -> None:
    now = bundle.made_at
    fleet = await known_offices(db, settings)
    if not told:
        status = status_document([known.status(now) for known in fleet], now)
        bundle.tell("status.json", "how every office stands, as the database has it")
        bundle.add_json("status.json", without_amounts({**status, "source": Source.DATABASE.value, "daemon": None}))
    chosen = {known.id: known for known in fleet if not wanted or known.id in wanted}
    for unknown in wanted:
        if unknown not in chosen:
            hint = did_you_mean(unknown, [known.id for known in fleet]) or "`oddaemon status` lists all offices"
            raise failure(f"no office {unknown!r}; {hint}")
    bundle.tell("offices/", "what is known of each office: condition, preferences of its aging, how it is read")
    bundle.tell("journal/", "what was decided, exchanged and ordered of each office, an entry a line")
    with gauge("reading the journals") as progress:
        for number, known in enumerate(chosen.values(), start=1):
            details = known.details(now)
            bundle.add_json(f"offices/{known.id}.json", without_amounts(details))
            entries = map(entry_document, await journal.latest(db, known.id, ENTRIES_MAX))
            lines = [json.dumps(entry, ensure_ascii=False) for entry in entries]
            bundle.add(f"journal/{known.id}.jsonl", "".join(f"{line}\n" for line in lines))
            if progress is not None:
                progress(number, len(chosen))


def without_amounts(document: object) -> object:
    """A document with null for every amount in it."""
    match document:
        case Mapping():
            return {name: None if name == AMOUNT else without_amounts(value) for name, value in document.items()}
        case list():
            return [without_amounts(each) for each in document]
        case _:
            return document


def _summary(bundle: Bundle, target: Path, size_bytes: int) -> Iterator[str]:
    yield f"{target}: {size_text(size_bytes)}, for your eyes alone (mode 0600)."
    yield "In it:"
    yield from (f"  {place:<16}{what}" for place, what in bundle.told.items())
    if bundle.missing:
        yield "Could not be had:"
        yield from (f"  {what}: {why}" for what, why in bundle.missing.items())
    yield f"Not in it: {'; '.join(NOT_IN_IT)}."
    yield f"See for yourself before you send it: tar xzf {target}"
