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

from oddaemon.core.config_diff import ConfigDiff, OfficeAttributes, diff_configs
from oddaemon.engine.delivery.courier_pool import CourierPool
from oddaemon.engine.offices.registry import Registry, make_worker_configs
from oddaemon.engine.offices.supervisor import OfficeSupervisor
from oddaemon.settings import BadConfiguration, LoadResult, Settings, try_load
from oddaemon.settings.files.problem import Problem
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import ConfigurationLoaded, ConfigurationRejected
from oddaemon.telemetry.telemetry import Telemetry

OFFICES_NAMED_MAX = 100
"""So many offices of each kind are named in a line of the log."""
_RESTART_TABLES = ("state", "http", "daemon", "log", "maintenance", "sftp")
"""Tables that count from the start on; of `[api]` all settings do but these."""
_RELOADABLE_API_SETTINGS = ("developer_key", "base_url", "developer_name")
"""Key and address are the offices' own: those change with a reload."""


class ReloadTrigger(StrEnum):
    """Why the configuration is read."""

    START = "start"
    SIGNAL = "signal"
    FILES = "files"
    COMMAND = "command"


class ActiveConfig:
    """What is in force. Nothing else puts settings into force.

    Args:
        settings: Checked ones, in force from the start on.
        telemetry: Takes the events, and the secrets that nobody may see.
        reader: Reads and checks all files.
    """

    def __init__(
        self, settings: Settings, telemetry: Telemetry, reader: Callable[[Path], LoadResult] = try_load
    ) -> None:
        self.settings = settings
        """In force: what is read once stays as it was at the start, whatever the files say by now."""
        self.files: frozenset[Path] = frozenset({settings.source})
        """Everything that the last reading looked at, whether or not it was there."""
        self._at_start = self._last_read = settings
        self._telemetry = telemetry
        self._reader = reader
        self._reload_lock = anyio.Lock()
        self._apply_lock = anyio.Lock()
        self._is_closed = False
        self._logged_problems: frozenset[str] = frozenset()
        """Problems that are in the log already, while they stand."""
        self._logged_warnings: tuple[str, ...] = ()
        self._registry: Registry | None = None
        self._supervisor: OfficeSupervisor | None = None
        self._couriers: CourierPool | None = None

    def attach(self, registry: Registry, supervisor: OfficeSupervisor, couriers: CourierPool) -> None:
        """From now on settings are put in force by these."""
        self._registry, self._supervisor, self._couriers = registry, supervisor, couriers

    @asynccontextmanager
    async def hold_settings(self) -> AsyncIterator[Settings]:
        """What is in force, and stays so for the length of the block: whoever wants to change it waits."""
        async with self._reload_lock:
            yield self.settings

    async def preview(self) -> tuple[ConfigDiff, LoadResult]:
        """What a reload would do now; nothing is done.

        Raises:
            BadConfiguration: It would be refused.
        """
        result = await self._read()
        if result.settings is None:
            raise BadConfiguration(result.problems)
        return self.compute_diff(result.settings), result

    async def reload(self, trigger: ReloadTrigger) -> tuple[ConfigDiff, LoadResult]:
        """Read, check, plan, apply. Of what files alone bring about, only what is news is written to the log.

        Raises:
            BadConfiguration: There are problems; the former configuration stays in force.
            StoreError: The offices could not be made known to the database; the former configuration stays in force.
        """
        async with self._reload_lock:
            try:
                diff, result = await self.preview()
                assert result.settings is not None, "looked at"
                await self._apply(result.settings, tuple(map(str, result.warnings)), trigger)
            except BadConfiguration as error:
                self._log_rejection(map(str, error.problems), trigger)
                raise
            except StoreError as error:
                self._log_rejection([str(error)], trigger)
                raise
            return diff, result

    async def apply(
        self, settings: Settings, warnings: Iterable[str] = (), trigger: ReloadTrigger = ReloadTrigger.START
    ) -> None:
        """Put settings in force that were read and checked already.

        Raises:
            StoreError: The database does not take them; the former configuration stays in force.
        """
        async with self._reload_lock:
            await self._apply(settings, tuple(warnings), trigger)

    async def close(self) -> None:
        """Put nothing more in force: what is being applied is waited for, what is still being read comes to nothing."""
        self._is_closed = True
        async with self._apply_lock:
            return

    def compute_diff(self, settings: Settings) -> ConfigDiff:
        """From what is in force to these settings."""
        old, new = _get_restart_settings(self._at_start), _get_restart_settings(settings)
        restart = [f"[{name}]" for name in new if new[name] != old[name]]
        old_sinks, new_sinks = ({sink.name: sink for sink in each.sinks} for each in (self.settings, settings))
        sinks = [name for name in {**old_sinks, **new_sinks} if old_sinks.get(name) != new_sinks.get(name)]
        return diff_configs(_get_office_attributes(self.settings), _get_office_attributes(settings), restart, sinks)

    async def _apply(self, settings: Settings, warnings: tuple[str, ...], trigger: ReloadTrigger) -> None:
        async with self._apply_lock:
            if not self._is_closed:
                await self._activate(settings, warnings, trigger)

    async def _activate(self, settings: Settings, warnings: tuple[str, ...], trigger: ReloadTrigger) -> None:
        assert self._registry is not None, "applied only while it runs"
        assert self._supervisor is not None, "applied only while it runs"
        assert self._couriers is not None, "applied only while it runs"
        diff = self.compute_diff(settings)
        should_log = (
            trigger is not ReloadTrigger.FILES
            or self._logged_problems
            or warnings != self._logged_warnings
            or settings != self._last_read
        )
        hide_secrets(self._telemetry, settings)
        wanted = [each.office for each in settings.offices]
        rows = await self._registry.load_offices()
        with self._couriers.switch_routes(settings):
            # The last step that can fail, and the database's own all or nothing.
            await self._registry.save_offices(wanted, _group_offices_by_sink(settings))
        self._registry.update_fleet(wanted, rows)
        await self._couriers.apply(settings)
        await self._supervisor.apply(make_worker_configs(settings))
        self._registry.forget_unused_headquarters(settings.offices)
        self.settings, self._last_read = _keep_restart_settings(self._at_start, settings), settings
        self._logged_warnings, self._logged_problems = warnings, frozenset()
        if should_log:
            messages = (*warnings, diff.restart_sentence) if diff.restart else warnings
            self._telemetry.emit(_make_loaded_event(diff, len(settings.offices), messages, trigger))

    def _log_rejection(self, problems: Iterable[str], trigger: ReloadTrigger) -> None:
        found = tuple(problems)
        new_problems = (
            tuple(each for each in found if each not in self._logged_problems)
            if trigger is ReloadTrigger.FILES
            else found
        )
        self._logged_problems = self._logged_problems.union(found)
        if new_problems:
            self._telemetry.emit(ConfigurationRejected(new_problems, trigger))

    async def _read(self) -> LoadResult:
        result = await anyio.to_thread.run_sync(_read_guarded, self._reader, self.settings.source)
        # A broken file does not tell what else there is: then what was looked at before is still of interest.
        self.files = result.files if result.settings is not None else self.files | result.files
        return result


def _read_guarded(reader: Callable[[Path], LoadResult], source: Path) -> LoadResult:
    """What the reader makes of the files; an error of its own is no reason to end what runs by the former ones."""
    try:
        return reader(source)
    except Exception as error:  # noqa: BLE001 - whatever a programmer got wrong
        what = f"an error in oddaemon itself ended the reading ({type(error).__name__})"
        problem = Problem(source, "", None, what, "`oddaemon check` shows where: report that to us")
        return LoadResult(None, (problem,), ())


def hide_secrets(telemetry: Telemetry, settings: Settings) -> None:
    """Have no key of these settings appear in a log line."""
    keys = [settings.api.developer_key, *(office.customer_key for office in settings.offices)]
    telemetry.add_secrets(key.reveal() for key in keys)
    if settings.alerts.ping_url is not None:
        telemetry.add_secrets([settings.alerts.ping_url.reveal()])
    telemetry.add_secrets(secret for sink in settings.sinks for secret in sink.reveal_secrets())


def _make_loaded_event(
    diff: ConfigDiff, offices: int, warnings: tuple[str, ...], trigger: ReloadTrigger
) -> ConfigurationLoaded:
    changed = [f"{each.office} ({', '.join(each.settings)})" for each in diff.changed]
    return ConfigurationLoaded(
        offices,
        warnings,
        trigger,
        _truncate_names(diff.new),
        _truncate_names(changed),
        _truncate_names(diff.removed),
        diff.unchanged,
    )


def _group_offices_by_sink(settings: Settings) -> dict[str, list[str]]:
    """The offices that go to each sink."""
    return {
        sink.name: [each.office.id for each in settings.offices if sink.matches_office(each.office)]
        for sink in settings.sinks
    }


def _truncate_names(ids: Iterable[str]) -> tuple[str, ...]:
    names = tuple(ids)
    return (
        names
        if len(names) <= OFFICES_NAMED_MAX
        else (*names[:OFFICES_NAMED_MAX], f"and {len(names) - OFFICES_NAMED_MAX:,} more")
    )


def _get_office_attributes(settings: Settings) -> dict[str, OfficeAttributes]:
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


def _get_restart_settings(settings: Settings) -> dict[str, object]:
    tables: dict[str, object] = {name: getattr(settings, name) for name in _RESTART_TABLES}
    return {**tables, "api": settings.api.model_dump(exclude=set(_RELOADABLE_API_SETTINGS))}


def _keep_restart_settings(at_start: Settings, settings: Settings) -> Settings:
    """`settings`, of which what is read once is as it was at the start."""
    tables = {name: getattr(at_start, name) for name in _RESTART_TABLES}
    at_once = {name: getattr(settings.api, name) for name in _RELOADABLE_API_SETTINGS}
    return replace(settings, api=at_start.api.model_copy(update=at_once), **tables)
