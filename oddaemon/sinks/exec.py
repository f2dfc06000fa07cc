"""Delivers to a command of the operator: rows on its standard input, the rest in its environment.

Exit status 0 acknowledges; any other, such as 75 (EX_TEMPFAIL), is retried. There is no shell, and the command gets
only the environment variables that the configuration names. It leads a process group of its own, which is killed at the
timeout or when the daemon ends. Its standard error is counted and discarded: it may contain a patient's name or a
password. The command should keep a log of its own.
"""

import errno
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

import anyio
import anyio.to_thread
from anyio.abc import ByteReceiveStream, Process

from oddaemon.core.reporting.formatting import format_money
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.formats.export import ROWS_PER_BATCH, FileFormat, Layout, write_rows
from oddaemon.sinks.formats.parquet import ParquetMissing
from oddaemon.sinks.payload import DeliveryFailed, build_rows, get_columns

BASE_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
STDERR_DRAIN_SECONDS = 1.0
"""A process that the command left behind may keep standard error open: do not wait for it longer than this."""
_EX_TEMPFAIL = 75
"""EX_TEMPFAIL of sysexits.h."""


class Exec:
    """One command.

    Args:
        command: The absolute path of a program, and its arguments.
        file_format: Of the rows.
        environment: Variables that it gets, besides those of the delivery.
        timeout_seconds: For one delivery.
    """

    def __init__(
        self, command: Sequence[str], file_format: FileFormat, environment: Mapping[str, str], timeout_seconds: float
    ) -> None:
        self._command = command
        self._file_format = file_format
        self._environment = environment
        self._timeout_seconds = timeout_seconds

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Run the command once.

        Raises:
            DeliveryFailed: it could not be run, timed out, or ended with another status than 0.
        """
        name = self._command[0]
        try:
            rows = await anyio.to_thread.run_sync(_spool_rows, payload, self._file_format)
        except ParquetMissing as error:
            raise DeliveryFailed(str(error)) from error
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise DeliveryFailed(f"The rows for {name} cannot be buffered: {why}.") from error
        with rows:
            try:
                # If cancelled while it starts, the command would be killed without its own child processes.
                with anyio.CancelScope(shield=True):
                    process = await anyio.open_process(
                        self._command,
                        stdin=rows,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE,
                        env={
                            **BASE_ENVIRONMENT,
                            **self._environment,
                            **_build_environment(payload, delivery_id, self._file_format),
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
            with anyio.fail_after(self._timeout_seconds):
                status = await _wait_for_exit(process, stderr_counter)
        except TimeoutError:
            raise DeliveryFailed(f"{name} did not end within {self._timeout_seconds:g} s and was killed.") from None
        finally:
            with anyio.CancelScope(shield=True):
                await _kill_group(process)
        if status:
            raise DeliveryFailed(f"{name} {_describe_status(status)}, {stderr_counter.describe()}")

    async def aclose(self) -> None:
        """There is nothing to close."""


def _spool_rows(payload: Payload, file_format: FileFormat) -> BinaryIO:
    """Write the rows to an anonymous file in memory, which is gone when no process has it open."""
    file = cast("BinaryIO", os.fdopen(os.memfd_create("oddaemon-delivery"), "w+b"))
    try:
        rows = build_rows(payload)
        batches = (rows[first : first + ROWS_PER_BATCH] for first in range(0, len(rows), ROWS_PER_BATCH))
        write_rows(file, Layout(file_format, get_columns(payload)), batches)
        file.flush()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _build_environment(payload: Payload, delivery_id: str, file_format: FileFormat) -> dict[str, str]:
    snapshot = payload.snapshot
    return {
        "ODDAEMON_DELIVERY_ID": delivery_id,
        "ODDAEMON_OFFICE": payload.office_id,
        "ODDAEMON_OFFICE_NAME": payload.office_name,
        "ODDAEMON_CONTENT": payload.content,
        "ODDAEMON_FORMAT": file_format.value,
        "ODDAEMON_SNAPSHOT": str(snapshot.id),
        "ODDAEMON_BASE_SNAPSHOT": "" if payload.delta is None else str(payload.delta.base_snapshot_id),
        "ODDAEMON_AGING_DATE": snapshot.aging_date.isoformat(),
        "ODDAEMON_GUARANTORS": str(snapshot.totals.guarantors),
        "ODDAEMON_BAL_TOTAL": format_money(snapshot.totals.bal_total),
        "ODDAEMON_ROWS": str(len(build_rows(payload))),
    }


@dataclass(slots=True)
class _StderrCounter:
    """The amount of the command's standard error."""

    size_bytes: int = 0

    def describe(self) -> str:
        if not self.size_bytes:
            return "and wrote nothing to standard error."
        amount = "1 byte" if self.size_bytes == 1 else f"{self.size_bytes} bytes"
        return f"and wrote {amount} to standard error, which are not kept: they may be patient data. See its own log."


async def _wait_for_exit(process: Process, stderr_counter: _StderrCounter) -> int:
    """Wait for the command, counting its standard error; returns its exit status."""
    assert process.stderr is not None, "standard error is a pipe"
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
    """Kill the whole group of a command that is still running. What an ended command left behind is not touched."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.aclose()


def _describe_status(status: int) -> str:
    if status < 0:
        return f"was killed by {_get_signal_name(-status)}"
    return f"ended with status {status}{' (temporary failure)' if status == _EX_TEMPFAIL else ''}"


def _get_signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"
