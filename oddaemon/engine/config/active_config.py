"""The active configuration, and the only way to replace it.

A start, a signal, a changed file and an operator's command all come here: all files are read and checked, the diff is
computed, and either all of it is applied or nothing. If the files or the database have a problem, the previous
configuration stays active. No request of an unchanged office is cut short.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path

import anyio
import anyio.to_thread

from oddaemon.core.config_diff import ConfigDiff, diff_configs
from oddaemon.core.secret import Secret
from oddaemon.engine.delivery.courier_pool import CourierPool
from oddaemon.engine.offices.registry import Registry
from oddaemon.settings import BadConfiguration, LoadResult, Settings, try_load
from oddaemon.settings.files.problem import Problem
from oddaemon.settings.files.secret_sources import find_secrets
from oddaemon.settings.model import keep_restart_tables
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import ConfigurationLoaded, ConfigurationRejected
from oddaemon.telemetry.telemetry import Telemetry

OFFICES_NAMED_MAX = 100
"""More offices than this of each kind are counted in a log line and not named."""


class ReloadTrigger(StrEnum):
    """Why the configuration is read."""

    START = "start"
    SIGNAL = "signal"
    FILES = "files"
    COMMAND = "command"


class RemovalsRefused(BadConfiguration):
    """A valid configuration that would remove most of the offices."""


class ActiveConfig:
    """The active settings. Nothing else activates settings.

    Args:
        settings: Checked settings, active from the start.
        telemetry: Takes the events, and the secrets to redact from them.
        reader: Reads and checks all files.
    """

    def __init__(
        self, settings: Settings, telemetry: Telemetry, reader: Callable[[Path], LoadResult] = try_load
    ) -> None:
        self.settings = settings
        """The active settings: tables that count from a start on are as they were then, whatever the files hold now."""
        self.files: frozenset[Path] = frozenset({settings.source})
        """Every file that the last reading looked for, whether or not it exists."""
        self.rejection = ""
        """Why the last reload was refused; "": it was not."""
        self._last_read = settings
        self._telemetry = telemetry
        self._reader = reader
        self._reload_lock = anyio.Lock()
        self._apply_lock = anyio.Lock()
        self._is_closed = False
        self._logged_problems: frozenset[str] = frozenset()
        """The present problems that were logged already."""
        self._logged_warnings: tuple[str, ...] = ()
        self._registry: Registry | None = None
        self._couriers: CourierPool | None = None

    def attach(self, registry: Registry, couriers: CourierPool) -> None:
        """Apply settings through these from now on."""
        self._registry, self._couriers = registry, couriers

    @asynccontextmanager
    async def hold_settings(self) -> AsyncIterator[Settings]:
        """The active settings, which cannot change within the block: a reload waits."""
        async with self._reload_lock:
            yield self.settings

    async def preview(self) -> tuple[ConfigDiff, LoadResult]:
        """Compute what a reload would do now, without doing it.

        Raises:
            BadConfiguration: A reload would be refused.
        """
        diff, result = await self._read_and_compare(may_remove_most=True)
        if diff.removes_most:
            result = replace(result, warnings=(*result.warnings, _make_removal_problem(self.settings, diff)))
        return diff, result

    async def reload(self, trigger: ReloadTrigger, *, accept_removals: bool = False) -> tuple[ConfigDiff, LoadResult]:
        """Read, check, compare and apply. A reload that a changed file triggers logs only what is new.

        Args:
            trigger: Why.
            accept_removals: Apply it even if it removes most of the offices.

        Raises:
            BadConfiguration: There are problems; the previous configuration stays active.
            RemovalsRefused: It would remove most of the offices; the previous configuration stays active.
            StoreError: The database did not store the offices; the previous configuration stays active.
        """
        async with self._reload_lock:
            try:
                diff, result = await self._read_and_compare(may_remove_most=accept_removals)
                assert result.settings is not None, "it raises instead"
                await self._apply(result.settings, diff, tuple(map(str, result.warnings)), trigger)
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
        """Activate settings that were read and checked already.

        Raises:
            StoreError: The database did not store the offices; the previous configuration stays active.
        """
        async with self._reload_lock:
            await self._apply(settings, self.compute_diff(settings), tuple(warnings), trigger)

    async def close(self) -> None:
        """Activate nothing more: wait for what is being applied, and discard what is still being read."""
        self._is_closed = True
        async with self._apply_lock:
            return

    def compute_diff(self, settings: Settings) -> ConfigDiff:
        """Compare these settings with the active ones."""
        kept = keep_restart_tables(self.settings, settings)
        tables = [each.name for each in fields(kept)]
        restart = [f"[{name}]" for name in tables if getattr(kept, name) != getattr(settings, name)]
        old_sinks, new_sinks = ({sink.name: sink for sink in each.sinks} for each in (self.settings, settings))
        sinks = [name for name in {**old_sinks, **new_sinks} if old_sinks.get(name) != new_sinks.get(name)]
        return diff_configs(self.settings.offices, settings.offices, restart, sinks)

    async def _read_and_compare(self, *, may_remove_most: bool) -> tuple[ConfigDiff, LoadResult]:
        result = await self._read()
        if result.settings is None:
            raise BadConfiguration(result.problems)
        diff = self.compute_diff(result.settings)
        if diff.removes_most and not may_remove_most:
            raise RemovalsRefused((_make_removal_problem(self.settings, diff),))
        return diff, result

    async def _apply(
        self, settings: Settings, diff: ConfigDiff, warnings: tuple[str, ...], trigger: ReloadTrigger
    ) -> None:
        assert self._registry is not None, "applied only while it runs"
        assert self._couriers is not None, "applied only while it runs"
        should_log = (
            trigger is not ReloadTrigger.FILES
            or self._logged_problems
            or warnings != self._logged_warnings
            or settings != self._last_read
        )
        async with self._apply_lock:
            if self._is_closed:
                return
            register_secrets(self._telemetry, settings, self.settings)
            names = {office_id: each.spec.name for office_id, each in settings.offices.items()}
            with self._couriers.switch_routes(settings) as offices_by_sink:
                # The last step that can fail: one transaction.
                rows = await self._registry.save(names, offices_by_sink)
            await self._couriers.apply(settings.sinks, diff.sinks)
            await self._registry.apply(settings.offices, diff.restarts, rows)
            self.settings, self._last_read = keep_restart_tables(self.settings, settings), settings
        self._logged_warnings, self._logged_problems, self.rejection = warnings, frozenset(), ""
        if should_log:
            messages = (*warnings, diff.restart_sentence) if diff.restart_required else warnings
            self._telemetry.emit(_make_loaded_event(diff, len(settings.offices), messages, trigger))

    def _log_rejection(self, problems: Iterable[str], trigger: ReloadTrigger) -> None:
        found = tuple(problems)
        self.rejection = found[0] if len(found) == 1 else f"{found[0]} (and {len(found) - 1:,} more)"
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
        # A broken file hides which others it names: keep watching those of the last reading.
        self.files = result.files if result.settings is not None else self.files | result.files
        return result


def _read_guarded(reader: Callable[[Path], LoadResult], source: Path) -> LoadResult:
    """Read the files. An error in the reader itself must not stop what runs under the previous configuration."""
    try:
        return reader(source)
    except Exception as error:  # noqa: BLE001 - an error in our own code must not end the daemon
        what = f"oddaemon failed to read it because of an error of its own ({type(error).__name__})"
        problem = Problem(source, "", None, what, "run `oddaemon check` and report its output to us")
        return LoadResult(None, (problem,), ())


def _make_removal_problem(active: Settings, diff: ConfigDiff) -> Problem:
    what = f"would remove {len(diff.removed):,} of {len(active.offices):,} offices at once"
    hint = "check that no file or directory is missing; to remove the offices, run `oddaemon reload --accept-removals`"
    return Problem(active.source, "", None, what, hint)


def register_secrets(telemetry: Telemetry, settings: Settings, registered: Settings | None = None) -> None:
    """Redact every secret of these settings from log lines; those of the other ones are registered already."""
    secrets = find_secrets((settings.api, settings.state, settings.alerts, settings.sinks))
    known = {} if registered is None else registered.offices
    offices = [each for office_id, each in settings.offices.items() if known.get(office_id) is not each]
    telemetry.add_secrets(map(Secret.reveal, [*secrets, *(each.credentials.customer_key for each in offices)]))


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


def _truncate_names(ids: Iterable[str]) -> tuple[str, ...]:
    names = tuple(ids)
    return (
        names
        if len(names) <= OFFICES_NAMED_MAX
        else (*names[:OFFICES_NAMED_MAX], f"and {len(names) - OFFICES_NAMED_MAX:,} more")
    )
