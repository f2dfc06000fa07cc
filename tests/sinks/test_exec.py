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

from oddaemon.sinks.exec import Exec
from oddaemon.sinks.formats.export import FileFormat
from oddaemon.sinks.payload import DeliveryFailed
from tests.golden import GoldenTexts
from tests.sinks.payloads import make_night_balances, make_payload
from tests.stepped_clock import SteppedLoop, step_clock

pytestmark = pytest.mark.event_loop(factory=SteppedLoop)

TIMEOUT_SECONDS = 60.0


def make_exec_sink(
    script: str,
    *arguments: str,
    form: FileFormat = FileFormat.NDJSON,
    environment: Mapping[str, str] | None = None,
) -> Exec:
    """A sink that runs this Python."""
    command = (sys.executable, "-I", "-S", "-c", dedent(script), *arguments)
    return Exec(command, form, environment or {}, TIMEOUT_SECONDS)


async def get_delivery_error(sink: Exec) -> str:
    with pytest.raises(DeliveryFailed) as caught:
        await sink.deliver(make_payload(), "d1")
    assert not caught.value.error.final
    return str(caught.value)


ACCEPT_SCRIPT = """
    import json, os, sys
    environment = {name: value for name, value in os.environ.items()}
    json.dump([environment, sys.stdin.read()], open(sys.argv[1], "w"))
"""


async def test_the_command_is_given_the_rows_and_what_belongs_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_SECRET", "planted")
    output_file = tmp_path / "seen"
    await make_exec_sink(ACCEPT_SCRIPT, str(output_file), environment={"HOME": "/nowhere"}).deliver(
        make_payload(2, changes=True), "d2"
    )
    environment, rows = json.loads(output_file.read_text())
    environment.pop("LC_CTYPE", None)
    assert "planted" not in str(environment)
    assert environment.keys() - {name for name in environment if name.startswith("ODDAEMON_")} == {
        "PATH",
        "LC_ALL",
        "HOME",
    }
    changes = [json.loads(line) for line in rows.splitlines()]
    assert int(environment["ODDAEMON_ROWS"]) == len(changes)
    assert {each["change"] for each in changes} == {"new", "changed", "cleared"}
    assert (environment["ODDAEMON_DELIVERY_ID"], environment["ODDAEMON_OFFICE"]) == ("d2", "smile")
    assert (environment["ODDAEMON_CONTENT"], environment["ODDAEMON_BASE_SNAPSHOT"]) == ("changes", "1")
    assert (environment["ODDAEMON_AGING_DATE"], environment["ODDAEMON_FORMAT"]) == ("2026-03-02", "ndjson")
    assert int(environment["ODDAEMON_GUARANTORS"]) == len(make_night_balances(2))


async def test_standard_input_is_a_file_that_can_be_read_from_any_place(tmp_path: Path) -> None:
    copy = """
        import shutil, sys
        sys.stdin.buffer.seek(0, 2)
        sys.stdin.buffer.seek(0)
        shutil.copyfileobj(sys.stdin.buffer, open(sys.argv[1], "wb"))
    """
    output_file = tmp_path / "seen"
    await make_exec_sink(copy, str(output_file), form=FileFormat.PARQUET).deliver(make_payload(), "d1")
    assert parquet.read_table(output_file)["pat_num"].to_pylist() == [row.pat_num for row in make_night_balances(1)]


async def test_a_command_that_reads_nothing_may_acknowledge() -> None:
    await make_exec_sink("").deliver(make_payload(1, guarantors=30_000), "d1")


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("raise SystemExit(75)", "ended with status 75 (temporary failure), and wrote nothing"),
        ("raise SystemExit(3)", "ended with status 3, and wrote nothing to standard error."),
        ("import os; os.kill(os.getpid(), 15)", "was killed by SIGTERM"),
        ("import os; os.kill(os.getpid(), 40)", "was killed by signal 40"),
        ("import sys; sys.exit('No room.')", "ended with status 1, and wrote 9 bytes to standard error, which are not"),
    ],
)
async def test_any_other_status_is_reported_and_tried_again(script: str, text: str) -> None:
    assert text in await get_delivery_error(make_exec_sink(script))


async def test_its_output_is_counted_and_never_shown(golden: GoldenTexts) -> None:
    noisy = """
        import sys
        for line in sys.stdin:
            print(line * 50, file=sys.stderr)
        print("cannot insert guarantor Mary Smith: password=hunter-two refused", file=sys.stderr)
        sys.exit(1)
    """
    command = sys.executable
    message = (await get_delivery_error(make_exec_sink(noisy))).removeprefix(command)
    output_size = int(message.removeprefix(" ended with status 1, and wrote ").partition(" ")[0])
    assert output_size > 50 * len(make_night_balances(1))
    golden.check(message)


async def test_a_missing_command_is_reported(golden: GoldenTexts) -> None:
    sink = Exec(("/nowhere/command",), FileFormat.CSV, {}, TIMEOUT_SECONDS)
    golden.check(await get_delivery_error(sink))


async def test_a_command_without_permission_is_reported(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    sink = Exec((str(tmp_path / "script"),), FileFormat.CSV, {}, TIMEOUT_SECONDS)
    assert "Permission denied" in await get_delivery_error(sink)


async def test_a_machine_without_file_descriptors_is_reported(golden: GoldenTexts) -> None:
    sink, limits = make_exec_sink(ACCEPT_SCRIPT), resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = make_payload()
    await anyio.to_thread.run_sync(lambda: None)  # whose thread is there then
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(DeliveryFailed) as caught:
            await sink.deliver(taken, "d1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    golden.check(str(caught.value), COMMAND=sys.executable)


LINGERING_SCRIPT = 'sleep 600 & echo "$$ $!" > "$1" && mv "$1" "$2" && wait'


def make_lingering_sink(pid_file: Path) -> Exec:
    """A sink whose command writes its process's id and its child's, and does not end. A shell, as it starts at once."""
    command = ("/bin/sh", "-c", LINGERING_SCRIPT, "sh", f"{pid_file}.part", str(pid_file))
    return Exec(command, FileFormat.NDJSON, {}, TIMEOUT_SECONDS)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do: they send no signal."""
    with anyio.fail_after(TIMEOUT_SECONDS):
        while True:
            if condition():
                return
            await anyio.sleep(0.01)


async def read_pids(pid_file: Path) -> list[int]:
    await wait_until(pid_file.exists)
    return [int(pid) for pid in _read_text(pid_file).split()]


def _read_text(path: Path) -> str:
    return path.read_text()


async def wait_until_gone(pid: int) -> None:
    """Wait until no process of this number is left that could still do something."""
    await wait_until(lambda: not _is_running(pid))


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_command_whose_time_is_over_is_killed_with_all_of_its_group(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    pid_file = tmp_path / "pids"
    pids: list[int] = []

    async def let_time_pass() -> None:
        pids.extend(await read_pids(pid_file))
        await step_clock(TIMEOUT_SECONDS)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_time_pass)
        refusal = await get_delivery_error(make_lingering_sink(pid_file))
    golden.check(refusal)
    for pid in pids:
        await wait_until_gone(pid)


async def test_a_daemon_that_ends_takes_the_command_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(make_lingering_sink(pid_file).deliver, make_payload(), "d1")
        pids = await read_pids(pid_file)
        tasks.cancel_scope.cancel()
    for pid in pids:
        await wait_until_gone(pid)


async def test_what_an_acknowledging_command_leaves_running_is_its_own_affair(tmp_path: Path) -> None:
    leaves = """
        import os, sys, time
        child = os.fork()
        if not child:
            time.sleep(600)
        open(sys.argv[1], "w").write(str(child))
    """
    pid_file = tmp_path / "pids"
    await make_exec_sink(leaves, str(pid_file)).deliver(make_payload(), "d1")
    [pid] = await read_pids(pid_file)
    assert _is_running(pid)
    os.kill(pid, signal.SIGKILL)
