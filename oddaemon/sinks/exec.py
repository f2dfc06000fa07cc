"""A command of the operator's: the rows on its standard input, the rest in its environment, its exit status the answer.

0 acknowledges; anything else, 75 (EX_TEMPFAIL) among them, is tried again. There is no shell, and of our environment
nothing but what the configuration names. The command is the first of a process group of its own: when its time is over,
or the daemon ends, the whole group is killed. What it says on standard error is counted and thrown away: it may be a
patient's name, or a password. A command that has something to tell keeps a log of its own.
"""

import errno
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

import anyio
import anyio.to_thread
from anyio.abc import ByteReceiveStream, Process

from oddaemon.core.reporting.status_document import format_money
from oddaemon.sinks.formats.export import ROWS_PER_BATCH, FileFormat, Layout, write_rows
from oddaemon.sinks.formats.parquet import ParquetMissing
from oddaemon.sinks.payload import DeliveryFailed, Payload

BASE_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
STDERR_DRAIN_SECONDS = 1.0
"""What the command left behind may still hold its standard error; nobody waits for that."""
_EX_TEMPFAIL = 75
"""EX_TEMPFAIL of sysexits.h."""


@dataclass(frozen=True, slots=True)
class ExecOptions:
    """What is run, and how."""

    command: tuple[str, ...]
    file_format: FileFormat
    environment: Mapping[str, str]
    timeout_seconds: float


class Exec:
    """One command."""

    def __init__(self, options: ExecOptions) -> None:
        self._options = options

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Run the command once.

        Raises:
            SinkRefused: it could not be run, did not end in time, or with another status than 0.
        """
        options = self._options
        name = options.command[0]
        try:
            rows = await anyio.to_thread.run_sync(_spool_rows, payload, options.file_format)
        except ParquetMissing as error:
            raise DeliveryFailed(str(error)) from error
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise DeliveryFailed(f"This machine has no room for the rows that {name} is to get: {why}.") from error
        with rows:
            try:
                # One that is cut while it begins would be killed alone, and what it had begun itself would go on.
                with anyio.CancelScope(shield=True):
                    process = await anyio.open_process(
                        options.command,
                        stdin=rows,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE,
                        env={
                            **BASE_ENVIRONMENT,
                            **options.environment,
                            **_build_environment(payload, delivery_id, options),
                        },
                        cwd="/",
                        start_new_session=True,
                    )
            except OSError as error:
                raise DeliveryFailed(
                    f"{name} cannot be run: {error.strerror or errno.errorcode[errno.EIO]}."
                ) from error
        stderr_counter = _StderrCounter()
        try:
            with anyio.fail_after(options.timeout_seconds):
                status = await _wait_for_exit(process, stderr_counter)
        except TimeoutError:
            raise DeliveryFailed(f"{name} was not done within {options.timeout_seconds:g} s, and was killed.") from None
        finally:
            with anyio.CancelScope(shield=True):
                await _kill_group(process)
        if status:
            raise DeliveryFailed(f"{name} {_describe_status(status)}, {stderr_counter.describe()}")

    async def aclose(self) -> None:
        """Nothing is kept."""


def _spool_rows(payload: Payload, file_format: FileFormat) -> BinaryIO:
    """The rows in a file that has no name, and is gone when nobody has it open any more."""
    file = cast("BinaryIO", os.fdopen(os.memfd_create("oddaemon-delivery"), "w+b"))
    try:
        rows = payload.build_rows()
        batches = (rows[first : first + ROWS_PER_BATCH] for first in range(0, len(rows), ROWS_PER_BATCH))
        write_rows(file, Layout(file_format, payload.columns), batches)
        file.flush()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _build_environment(payload: Payload, delivery_id: str, options: ExecOptions) -> dict[str, str]:
    snapshot = payload.snapshot
    return {
        "ODDAEMON_DELIVERY_ID": delivery_id,
        "ODDAEMON_OFFICE": payload.office_id,
        "ODDAEMON_OFFICE_NAME": payload.office_name,
        "ODDAEMON_CONTENT": payload.content,
        "ODDAEMON_FORMAT": options.file_format.value,
        "ODDAEMON_SNAPSHOT": str(snapshot.id),
        "ODDAEMON_BASE_SNAPSHOT": "" if payload.delta is None else str(payload.delta.base_snapshot_id),
        "ODDAEMON_AGING_DATE": snapshot.aging_date.isoformat(),
        "ODDAEMON_GUARANTORS": str(snapshot.totals.guarantors),
        "ODDAEMON_BAL_TOTAL": format_money(snapshot.totals.bal_total),
        "ODDAEMON_ROWS": str(len(payload.build_rows())),
    }


@dataclass(slots=True)
class _StderrCounter:
    """How much the command said on standard error."""

    size_bytes: int = 0

    def describe(self) -> str:
        if not self.size_bytes:
            return "and said nothing on standard error."
        amount = "1 byte" if self.size_bytes == 1 else f"{self.size_bytes} bytes"
        return f"and said {amount} on standard error, which are not kept: they may be a patient's. See its own log."


async def _wait_for_exit(process: Process, stderr_counter: _StderrCounter) -> int:
    """How it ended; how much it said is in `heard` then."""
    assert process.stderr is not None, "it is a pipe"
    drained = anyio.Event()

    async def count_stderr(stderr: ByteReceiveStream) -> None:
        async for chunk in stderr:
            stderr_counter.size_bytes += len(chunk)
        drained.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_stderr, process.stderr)
        status = await process.wait()
        with anyio.move_on_after(STDERR_DRAIN_SECONDS):
            await drained.wait()
        tasks.cancel_scope.cancel()
    return status


async def _kill_group(process: Process) -> None:
    """Of one that was cut short, nobody of its group is left. What one that ended by itself left behind is its own."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.aclose()


def _describe_status(status: int) -> str:
    if status < 0:
        return f"was ended by {_get_signal_name(-status)}"
    return f"ended with status {status}{' (for now)' if status == _EX_TEMPFAIL else ''}"


def _get_signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time ones have no name
        return f"signal {number}"
