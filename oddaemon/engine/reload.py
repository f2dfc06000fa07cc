"""The configuration in force, and the one way in which another takes its place.

A start, a signal, a changed file and an order all come here: everything is read, everything is checked, a plan is made,
and the whole of it is applied or nothing. Whatever is wrong with the files or the database, the former configuration
stays in force, and no office that did not change has a request cut short.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import anyio
import anyio.to_thread

from oddaemon.core.plan import Plan, Traits, plan_between
from oddaemon.engine.couriers import Couriers
from oddaemon.engine.registry import Employment, Registry, employments
from oddaemon.engine.supervisor import Supervisor
from oddaemon.settings import BadConfiguration, Loaded, Settings, read
from oddaemon.settings.problem import Problem
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import ConfigurationLoaded, ConfigurationRejected
from oddaemon.telemetry.telemetry import Telemetry

NAMED_MAX = 100
"""So many offices of each kind are named in a line of the log."""
_READ_ONCE = ("state", "http", "daemon", "log", "maintenance", "sftp")
"""Tables that count from the start on; of `[api]` all settings do but these."""
_OF_API_AT_ONCE = ("developer_key", "base_url", "developer_name")
"""Key and address are the offices' own: those change with a reload."""


class Cause(StrEnum):
    """Why the configuration is read."""

    START = "start"
    SIGNAL = "signal"
    FILES = "files"
    ORDER = "order"


class Configuration:
    """What is in force. Nothing else puts settings into force.

    Args:
        settings: Checked ones, in force from the start on.
        telemetry: Takes the events, and the secrets that nobody may see.
        reader: Reads and checks all files.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry, reader: Callable[[Path], Loaded] = read) -> None:
        self.settings = settings
        """In force: what is read once stays as it was at the start, whatever the files say by now."""
        self.files: frozenset[Path] = frozenset({settings.source})
        """Everything that the last reading looked at, whether or not it was there."""
        self._at_start = self._read_last = settings
        self._telemetry = telemetry
        self._reader = reader
        self._one_at_a_time = anyio.Lock()
        self._applying = anyio.Lock()
        self._is_over = False
        self._told: frozenset[str] = frozenset()
        """Problems that are in the log already, while they stand."""
        self._warned: tuple[str, ...] = ()
        self._registry: Registry | None = None
        self._supervisor: Supervisor[Employment] | None = None
        self._couriers: Couriers | None = None

    def employ(self, registry: Registry, supervisor: Supervisor[Employment], couriers: Couriers) -> None:
        """From now on settings are put in force by these."""
        self._registry, self._supervisor, self._couriers = registry, supervisor, couriers

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[Settings]:
        """What is in force, and stays so for the length of the block: whoever wants to change it waits."""
        async with self._one_at_a_time:
            yield self.settings

    async def look(self) -> tuple[Plan, Loaded]:
        """What a reload would do now; nothing is done.

        Raises:
            BadConfiguration: It would be refused.
        """
        loaded = await self._read()
        if loaded.settings is None:
            raise BadConfiguration(loaded.problems)
        return self.plan(loaded.settings), loaded

    async def reload(self, cause: Cause) -> tuple[Plan, Loaded]:
        """Read, check, plan, apply. Of what files alone bring about, only what is news is written to the log.

        Raises:
            BadConfiguration: There are problems; the former configuration stays in force.
            StoreError: The offices could not be made known to the database; the former configuration stays in force.
        """
        async with self._one_at_a_time:
            try:
                plan, loaded = await self.look()
                assert loaded.settings is not None, "looked at"
                await self._apply(loaded.settings, tuple(map(str, loaded.warnings)), cause)
            except BadConfiguration as error:
                self._refuse(map(str, error.problems), cause)
                raise
            except StoreError as error:
                self._refuse([str(error)], cause)
                raise
            return plan, loaded

    async def apply(self, settings: Settings, warnings: Iterable[str] = (), cause: Cause = Cause.START) -> None:
        """Put settings in force that were read and checked already.

        Raises:
            StoreError: The database does not take them; the former configuration stays in force.
        """
        async with self._one_at_a_time:
            await self._apply(settings, tuple(warnings), cause)

    async def end(self) -> None:
        """Put nothing more in force: what is being applied is waited for, what is still being read comes to nothing."""
        self._is_over = True
        async with self._applying:
            return

    def plan(self, settings: Settings) -> Plan:
        """From what is in force to these settings."""
        was, now = _read_once(self._at_start), _read_once(settings)
        restart = [f"[{name}]" for name in now if now[name] != was[name]]
        before, after = ({sink.name: sink for sink in each.sinks} for each in (self.settings, settings))
        sinks = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return plan_between(_traits(self.settings), _traits(settings), restart, sinks)

    async def _apply(self, settings: Settings, warnings: tuple[str, ...], cause: Cause) -> None:
        async with self._applying:
            if not self._is_over:
                await self._put_in_force(settings, warnings, cause)

    async def _put_in_force(self, settings: Settings, warnings: tuple[str, ...], cause: Cause) -> None:
        assert self._registry is not None, "applied only while it runs"
        assert self._supervisor is not None, "applied only while it runs"
        assert self._couriers is not None, "applied only while it runs"
        plan = self.plan(settings)
        is_news = cause is not Cause.FILES or self._told or warnings != self._warned or settings != self._read_last
        hide(self._telemetry, settings)
        wanted = [each.office for each in settings.offices]
        rows = await self._registry.remembered()
        with self._couriers.routed(settings):
            # The last step that can fail, and the database's own all or nothing.
            await self._registry.record(wanted, _selected(settings))
        self._registry.show(wanted, rows)
        await self._couriers.apply(settings)
        await self._supervisor.apply(employments(settings))
        self._registry.settle(settings.offices)
        self.settings, self._read_last = _kept(self._at_start, settings), settings
        self._warned, self._told = warnings, frozenset()
        if is_news:
            said = (*warnings, plan.restart_sentence) if plan.restart else warnings
            self._telemetry.emit(_loaded(plan, len(settings.offices), said, cause))

    def _refuse(self, problems: Iterable[str], cause: Cause) -> None:
        found = tuple(problems)
        news = tuple(each for each in found if each not in self._told) if cause is Cause.FILES else found
        self._told = self._told.union(found)
        if news:
            self._telemetry.emit(ConfigurationRejected(news, cause))

    async def _read(self) -> Loaded:
        loaded = await anyio.to_thread.run_sync(_read_by, self._reader, self.settings.source)
        # A broken file does not tell what else there is: then what was looked at before is still of interest.
        self.files = loaded.files if loaded.settings is not None else self.files | loaded.files
        return loaded


def _read_by(reader: Callable[[Path], Loaded], source: Path) -> Loaded:
    """What the reader makes of the files; an error of its own is no reason to end what runs by the former ones."""
    try:
        return reader(source)
    except Exception as error:  # noqa: BLE001 - whatever a programmer got wrong
        what = f"an error in oddaemon itself ended the reading ({type(error).__name__})"
        problem = Problem(source, "", None, what, "`oddaemon check` shows where: report that to us")
        return Loaded(None, (problem,), ())


def hide(telemetry: Telemetry, settings: Settings) -> None:
    """Have no key of these settings appear in a log line."""
    keys = [settings.api.developer_key, *(office.customer_key for office in settings.offices)]
    telemetry.hide(key.reveal() for key in keys)
    if settings.alerts.ping_url is not None:
        telemetry.hide([settings.alerts.ping_url.reveal()])
    telemetry.hide(secret for sink in settings.sinks for secret in sink.secrets())


def _loaded(plan: Plan, offices: int, warnings: tuple[str, ...], cause: Cause) -> ConfigurationLoaded:
    changed = [f"{each.office} ({', '.join(each.settings)})" for each in plan.changed]
    return ConfigurationLoaded(
        offices, warnings, cause, _named(plan.new), _named(changed), _named(plan.removed), plan.unchanged
    )


def _selected(settings: Settings) -> dict[str, list[str]]:
    """The offices that go to each sink."""
    return {
        sink.name: [each.office.id for each in settings.offices if sink.wants(each.office)] for sink in settings.sinks
    }


def _named(ids: Iterable[str]) -> tuple[str, ...]:
    named = tuple(ids)
    return named if len(named) <= NAMED_MAX else (*named[:NAMED_MAX], f"and {len(named) - NAMED_MAX:,} more")


def _traits(settings: Settings) -> dict[str, Traits]:
    """What is wanted of each office, by the names that the settings have in its file or in their table."""
    common = {
        "developer_key": settings.api.developer_key,
        "cadence": settings.cadence,
        "plausibility": settings.plausibility,
    }
    return {
        each.office.id: {
            **common,
            "name": each.office.name,
            "timezone": each.office.zone,
            "clinics": each.office.clinics,
            "include": each.office.include,
            "reader": each.office.reader,
            "fresh_by": each.office.fresh_by,
            "enabled": each.office.enabled,
            "labels": each.office.labels,
            "customer_key": each.customer_key,
            "base_url": (each.base_url, each.remote, each.office.page_rows),
            "tier": each.tier,
            "min_interval_seconds": each.min_interval_seconds,
        }
        for each in settings.offices
    }


def _read_once(settings: Settings) -> dict[str, object]:
    tables: dict[str, object] = {name: getattr(settings, name) for name in _READ_ONCE}
    return {**tables, "api": settings.api.model_dump(exclude=set(_OF_API_AT_ONCE))}


def _kept(at_start: Settings, settings: Settings) -> Settings:
    """`settings`, of which what is read once is as it was at the start."""
    tables = {name: getattr(at_start, name) for name in _READ_ONCE}
    at_once = {name: getattr(settings.api, name) for name in _OF_API_AT_ONCE}
    return replace(settings, api=at_start.api.model_copy(update=at_once), **tables)
