"""With real processes: scripts of this test's own, in Python so that they run wherever this does."""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import anyio
import anyio.to_thread
import pytest
from pyarrow import parquet

from oddaemon.sinks.exec import Exec, ExecOptions
from oddaemon.sinks.formats.export import FileFormat
from oddaemon.sinks.payload import DeliveryFailed
from tests.sinks.payloads import night, payload

PATIENT_SECONDS = 60.0


def running(
    script: str,
    *arguments: str,
    form: FileFormat = FileFormat.NDJSON,
    environment: Mapping[str, str] | None = None,
    seconds: float = PATIENT_SECONDS,
) -> Exec:
    """A sink that runs this Python."""
    command = (sys.executable, "-I", "-S", "-c", dedent(script), *arguments)
    return Exec(ExecOptions(command, form, environment or {}, seconds))


async def refusal_of(sink: Exec) -> str:
    with pytest.raises(DeliveryFailed) as caught:
        await sink.deliver(payload(), "d1")
    assert not caught.value.error.final
    return str(caught.value)


TAKES_ALL = """
    import json, os, sys
    told = {name: value for name, value in os.environ.items()}
    json.dump([told, sys.stdin.read()], open(sys.argv[1], "w"))
"""


async def test_the_command_is_given_the_rows_and_what_belongs_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_SECRET", "planted")
    seen = tmp_path / "seen"
    await running(TAKES_ALL, str(seen), environment={"HOME": "/nowhere"}).deliver(payload(2, changes=True), "d2")
    told, rows = json.loads(seen.read_text())
    told.pop("LC_CTYPE", None)
    assert "planted" not in str(told)
    assert told.keys() - {name for name in told if name.startswith("ODDAEMON_")} == {"PATH", "LC_ALL", "HOME"}
    changes = [json.loads(line) for line in rows.splitlines()]
    assert int(told["ODDAEMON_ROWS"]) == len(changes)
    assert {each["change"] for each in changes} == {"new", "changed", "cleared"}
    assert (told["ODDAEMON_DELIVERY_ID"], told["ODDAEMON_OFFICE"]) == ("d2", "smile")
    assert (told["ODDAEMON_CONTENT"], told["ODDAEMON_BASE_SNAPSHOT"]) == ("changes", "1")
    assert (told["ODDAEMON_AGING_DATE"], told["ODDAEMON_FORMAT"]) == ("2026-03-02", "ndjson")
    assert int(told["ODDAEMON_GUARANTORS"]) == len(night(2))


async def test_standard_input_is_a_file_that_can_be_read_from_any_place(tmp_path: Path) -> None:
    copy = """
        import shutil, sys
        sys.stdin.buffer.seek(0, 2)
        sys.stdin.buffer.seek(0)
        shutil.copyfileobj(sys.stdin.buffer, open(sys.argv[1], "wb"))
    """
    seen = tmp_path / "seen"
    await running(copy, str(seen), form=FileFormat.PARQUET).deliver(payload(), "d1")
    assert parquet.read_table(seen)["pat_num"].to_pylist() == [row.pat_num for row in night(1)]


async def test_a_command_that_reads_nothing_may_acknowledge() -> None:
    await running("").deliver(payload(1, guarantors=30_000), "d1")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("raise SystemExit(75)", "ended with status 75 (for now), and said nothing on standard error."),
        ("raise SystemExit(3)", "ended with status 3, and said nothing on standard error."),
        ("import os; os.kill(os.getpid(), 15)", "was ended by SIGTERM"),
        ("import os; os.kill(os.getpid(), 40)", "was ended by signal 40"),
        ("import sys; sys.exit('No room.')", "ended with status 1, and said 9 bytes on standard error, which are not"),
    ],
)
async def test_any_other_status_is_told_and_tried_again(script: str, words: str) -> None:
    assert words in await refusal_of(running(script))


async def test_what_it_says_is_counted_and_told_to_nobody() -> None:
    noisy = """
        import sys
        for line in sys.stdin:
            print(line * 50, file=sys.stderr)
        print("cannot insert guarantor Mary Smith: password=hunter-two refused", file=sys.stderr)
        sys.exit(1)
    """
    command = sys.executable
    told = (await refusal_of(running(noisy))).removeprefix(command)
    said = int(told.removeprefix(" ended with status 1, and said ").partition(" ")[0])
    assert said > 50 * len(night(1))
    assert told == (
        f" ended with status 1, and said {said} bytes on standard error, which are not kept: they may be a "
        "patient's. See its own log."
    )


async def test_a_command_that_is_not_there_is_told() -> None:
    sink = Exec(ExecOptions(("/nowhere/command",), FileFormat.CSV, {}, PATIENT_SECONDS))
    assert await refusal_of(sink) == "/nowhere/command cannot be run: No such file or directory."


async def test_a_command_that_may_not_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    sink = Exec(ExecOptions((str(tmp_path / "script"),), FileFormat.CSV, {}, PATIENT_SECONDS))
    assert "Permission denied" in await refusal_of(sink)


async def test_a_machine_that_can_open_no_more_files_is_told() -> None:
    sink, patient = running(TAKES_ALL), resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = payload()
    await anyio.to_thread.run_sync(lambda: None)  # whose thread is there then
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, patient[1]))
    try:
        with pytest.raises(DeliveryFailed) as caught:
            await sink.deliver(taken, "d1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, patient)
    assert str(caught.value) == (
        f"This machine has no room for the rows that {sys.executable} is to get: Too many open files."
    )


LINGERS = 'sleep 600 & echo "$$ $!" > "$1" && mv "$1" "$2" && wait'


def lingering(told: Path, *, seconds: float = PATIENT_SECONDS) -> Exec:
    """A sink whose command tells its process's id and its child's, and does not end. A shell, as it starts at once."""
    command = ("/bin/sh", "-c", LINGERS, "sh", f"{told}.part", str(told))
    return Exec(ExecOptions(command, FileFormat.NDJSON, {}, seconds))


async def holds(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do, who tell nobody."""
    with anyio.fail_after(PATIENT_SECONDS):
        while True:
            if condition():
                return
            await anyio.sleep(0.01)


async def pids_of(told: Path) -> list[int]:
    await holds(told.exists)
    return [int(pid) for pid in _text(told).split()]


def _text(path: Path) -> str:
    return path.read_text()


async def gone(pid: int) -> None:
    """Wait until no process of this number is left that could still do something."""
    await holds(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.real("waits for the time-out of a real command")
async def test_a_command_whose_time_is_over_is_killed_with_all_of_its_group(tmp_path: Path) -> None:
    told = tmp_path / "told"
    refusal = await refusal_of(lingering(told, seconds=3.0))
    assert "was not done within 3 s, and was killed" in refusal
    for pid in await pids_of(told):
        await gone(pid)


async def test_a_daemon_that_ends_takes_the_command_with_it(tmp_path: Path) -> None:
    told = tmp_path / "told"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lingering(told).deliver, payload(), "d1")
        pids = await pids_of(told)
        tasks.cancel_scope.cancel()
    for pid in pids:
        await gone(pid)


async def test_what_an_acknowledging_command_leaves_running_is_its_own_affair(tmp_path: Path) -> None:
    leaves = """
        import os, sys, time
        child = os.fork()
        if not child:
            time.sleep(600)
        open(sys.argv[1], "w").write(str(child))
    """
    told = tmp_path / "told"
    await running(leaves, str(told)).deliver(payload(), "d1")
    [pid] = await pids_of(told)
    assert _runs(pid)
    os.kill(pid, signal.SIGKILL)
