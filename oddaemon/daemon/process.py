"""The process around the daemon: its log, its signals, its configuration files.

The first SIGTERM or SIGINT drains, a second one stops now, SIGHUP reloads the configuration: all of it, or nothing. A
SIGHUP during the start takes effect once the daemon runs.
"""

import gc
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from oddaemon import __version__
from oddaemon.daemon.daemon import Daemon
from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.engine.config.file_watcher import watch
from oddaemon.engine.tasks import BackgroundTasks
from oddaemon.settings import BadConfiguration, OfficeFileCache, Settings
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events.base import Level
from oddaemon.telemetry.logging.formatter import LogFormat
from oddaemon.telemetry.setup import open_process_telemetry
from oddaemon.telemetry.telemetry import Telemetry

EXEMPT_AFTER_SECONDS = (0.0, 60.0)
"""From the start, and from then: each office has had its first turn, and the first nights of many are read."""


async def run_daemon(settings: Settings, warnings: Sequence[str] = (), cache: OfficeFileCache | None = None) -> None:
    """Run until a signal ends it.

    Args:
        settings: Checked settings.
        warnings: About them, for the log.
        cache: What their reading has left to the next one.

    Raises:
        StoreError: The database cannot be used.
        ListenError: The address of `[http] listen` cannot be used.
    """
    # Before anything slow: an early signal must find its handler.
    with (
        anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals,
        open_process_telemetry(
            now=now,
            version=__version__,
            log_format=LogFormat(settings.log.format),
            level=Level[settings.log.level.upper()],
        ) as telemetry,
    ):
        tune_garbage_collector()
        daemon = Daemon(settings, telemetry, now, cache=cache)
        # Room for one: a second reload that waits would bring nothing.
        hangup, hangups = anyio.create_memory_object_stream[None](1)
        async with hangup, hangups, anyio.create_task_group() as tasks:
            background = BackgroundTasks(tasks, telemetry.emit)
            background.start_soon("signals", partial(_handle_signals, signals, daemon, hangup))
            background.start_soon("reloads", partial(_reload_on_hangup, hangups, daemon))
            background.start_soon("garbage collector", partial(_exempt_started_offices, daemon))
            if settings.daemon.watch:
                background.start_soon("file watcher", partial(_watch_files, daemon, telemetry))
            await daemon.run(warnings)
            tasks.cancel_scope.cancel()


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def tune_garbage_collector() -> None:
    """Exempt the objects of the start, and collect few objects at a time: one office can bring 40,000 new ones.

    A full collection over a large fleet stalls the event loop (measured: 150 ms with 500 offices, 27 ms without it),
    so it is rare: garbage is nearly always young. One of the middle generation looks at what five young ones have left.
    """
    gc.freeze()
    gc.set_threshold(10_000, 5, 20_000)


async def _exempt_started_offices(daemon: Daemon) -> None:
    """Exempt what the offices are made of, once they have started: to look at ten thousand takes 300 ms."""
    await daemon.lifecycle.running.wait()
    for seconds in EXEMPT_AFTER_SECONDS:
        await anyio.sleep(seconds)
        gc.freeze()


async def _handle_signals(
    signals: AsyncIterator[signal.Signals], daemon: Daemon, hangup: MemoryObjectSendStream[None]
) -> None:
    draining = False
    async for signum in signals:
        if signum is signal.SIGHUP:
            with suppress(anyio.WouldBlock):
                hangup.send_nowait(None)
        elif draining:
            daemon.stop()
        else:
            draining = True
            daemon.drain(signum.name)


async def _reload_on_hangup(hangups: MemoryObjectReceiveStream[None], daemon: Daemon) -> None:
    async for _ in hangups:
        await daemon.lifecycle.running.wait()
        if daemon.lifecycle.is_running:
            # The log has the problems; the previous configuration stays active.
            with suppress(BadConfiguration, StoreError):
                await daemon.reload(ReloadTrigger.SIGNAL)


async def _watch_files(daemon: Daemon, telemetry: Telemetry) -> None:
    async def reload() -> bool:
        try:
            if daemon.lifecycle.is_running:
                await daemon.reload(ReloadTrigger.FILES)
        except BadConfiguration:
            return False
        except StoreError as error:
            return error.is_transient
        return False

    await daemon.lifecycle.running.wait()
    files, debounce_seconds = lambda: daemon.configuration.files, daemon.settings.daemon.debounce_seconds
    await watch(files, reload, telemetry.emit, debounce_seconds=debounce_seconds)
