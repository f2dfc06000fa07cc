"""Commands come only through a Unix socket that no other user can open."""

import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from oddaemon.admin.app import serve_control
from oddaemon.admin.commands import CommandRejected, Document, RejectionKind
from oddaemon.core.office.state import OfficeCommand
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.server import ListenError
from oddaemon.http_server.unix_socket import SocketError, listen_privately
from tests.golden import GoldenTexts
from tests.web.admin_app import make_admin_app


class RecordingCommands:
    """Takes orders as a daemon with one held office and one fresh one would."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.calls: list[tuple[str, str, int | None]] = []

    async def run_office_command(self, order: OfficeCommand, office: str, uid: int | None) -> str:
        await anyio.lowlevel.checkpoint()
        self.calls.append((order, office, uid))
        if office == "elm":
            self.accepted.append(office)
            return "The next reading of elm is published as it is."
        if office == "oak":
            raise CommandRejected(
                RejectionKind.CONFLICT, "Nothing of oak is held.", "`oddaemon explain oak` shows its status."
            )
        raise CommandRejected(RejectionKind.NOT_FOUND, f"There is no office {office!r}.")

    async def reload(self, uid: int | None, *, accept_removals: bool) -> Document:
        assert not accept_removals
        await anyio.lowlevel.checkpoint()
        self.calls.append(("reload", "", uid))
        raise CommandRejected(RejectionKind.BAD_CONFIGURATION, "It has a problem.", "Fix it.", [{"file": "a.toml"}])

    async def preview_reload(self) -> Document:
        await anyio.lowlevel.checkpoint()
        return {"outcome": "A reload would apply: 1 new.", "plan": {"new": ["ash"]}}

    async def drain(self, uid: int | None) -> str:
        await anyio.lowlevel.checkpoint()
        self.calls.append(("drain", "", uid))
        return "It stops."


@asynccontextmanager
async def control_client(path: Path, commands: RecordingCommands | None = None) -> AsyncIterator[httpx.AsyncClient]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(serve_control, path, make_admin_app(commands=commands or RecordingCommands()))
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client
        tasks.cancel_scope.cancel()


def leave_stale_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(str(path))


async def test_a_command_is_executed_and_reported(tmp_path: Path) -> None:
    commands = RecordingCommands()
    async with control_client(tmp_path / "c.sock", commands) as client:
        answer = await client.post("/offices/elm/accept")
    assert (answer.status_code, commands.accepted) == (200, ["elm"])
    assert answer.json() == {"office": "elm", "outcome": "The next reading of elm is published as it is."}


@pytest.mark.parametrize("command", OfficeCommand)
async def test_the_client_is_identified_by_its_peer_credentials(tmp_path: Path, command: OfficeCommand) -> None:
    commands = RecordingCommands()
    async with control_client(tmp_path / "c.sock", commands) as client:
        assert (await client.post(f"/offices/elm/{command}")).status_code == 200
        assert (await client.post("/drain", headers={"X-Forwarded-For": "uid:0"})).json() == {"outcome": "It stops."}
    assert commands.calls == [(command, "elm", os.getuid()), ("drain", "", os.getuid())]


async def test_a_plan_changes_nothing_and_a_bad_configuration_lists_every_problem(tmp_path: Path) -> None:
    commands = RecordingCommands()
    async with control_client(tmp_path / "c.sock", commands) as client:
        planned = await client.get("/plan")
        assert (await client.get("/reload")).status_code == 405
        assert commands.calls == []
        refused = await client.post("/reload")
    assert planned.json() == {"outcome": "A reload would apply: 1 new.", "plan": {"new": ["ash"]}}
    assert refused.status_code == 422
    assert refused.json() == {"error": "It has a problem.", "advice": "Fix it.", "problems": [{"file": "a.toml"}]}


async def test_a_rejected_command_says_why_and_what_to_do(tmp_path: Path, golden: GoldenTexts) -> None:
    async with control_client(tmp_path / "c.sock") as client:
        response = await client.post("/offices/oak/accept")
        unknown = await client.post("/offices/ash/accept")
    assert response.status_code == 409
    assert response.json() == {
        "error": "Nothing of oak is held.",
        "advice": "`oddaemon explain oak` shows its status.",
    }
    assert unknown.status_code == 404
    golden.check(unknown.json()["error"])


async def test_get_requests_change_nothing_and_there_are_no_other_commands(tmp_path: Path) -> None:
    commands = RecordingCommands()
    async with control_client(tmp_path / "c.sock", commands) as client:
        assert (await client.get("/-/healthy")).json() == {"healthy": True}
        assert (await client.get("/offices/elm/accept")).status_code == 405
        assert (await client.get("/drain")).status_code == 405
        for path in ("/offices/elm/unknown", "/offices/elm/accept/", "/drain/", "/"):
            answer = await client.post(path)
            assert (path, answer.status_code, set(answer.json())) == (path, 404, {"error", "advice"})
        assert (await client.post("/offices/elm/accept", content=b"x")).status_code == 413
    assert commands.accepted == []


async def test_only_its_owner_may_use_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with control_client(tmp_path / "new" / "c.sock"):
            status, directory = (tmp_path / "new/c.sock").stat(), (tmp_path / "new").stat()
    finally:
        os.umask(before)
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert stat.S_IMODE(directory.st_mode) == 0o700


def test_there_is_no_moment_with_another_mode(tmp_path: Path) -> None:
    path, modes, over = tmp_path / "c.sock", set[int](), threading.Event()

    def watch() -> None:
        while not over.is_set():
            try:
                modes.add(stat.S_IMODE(path.lstat().st_mode))
            except FileNotFoundError:
                continue

    before = os.umask(0)
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        for _ in range(300):
            listen_privately(path).remove()
    finally:
        os.umask(before)
        over.set()
        watching.join()
    assert modes <= {0o600}


async def test_what_a_killed_daemon_left_is_replaced(tmp_path: Path) -> None:
    leave_stale_socket(tmp_path / "c.sock")
    async with control_client(tmp_path / "c.sock") as client:
        assert (await client.get("/-/healthy")).status_code == 200


async def test_what_a_living_daemon_listens_on_stays_its_own(tmp_path: Path, golden: GoldenTexts) -> None:
    path = tmp_path / "c.sock"
    async with control_client(path) as client:
        with pytest.raises(ListenError) as caught:
            await serve_control(path, make_admin_app(commands=RecordingCommands()))
        golden.check(caught.value)
        assert (await client.get("/-/healthy")).status_code == 200


async def test_a_daemon_that_is_too_busy_to_answer_is_alive(tmp_path: Path, golden: GoldenTexts) -> None:
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(ListenError) as caught:
            await serve_control(path, make_admin_app(commands=RecordingCommands()))
        golden.check(caught.value)
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling link", "pipe", "datagrams"])
async def test_what_is_no_socket_of_ours_is_never_removed(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "c.sock", tmp_path / "other"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        match kind:
            case "file":
                path.write_text("precious")
            case "directory":
                path.mkdir()
            case "link":
                leave_stale_socket(other)
                path.symlink_to(other)
            case "dangling link":
                path.symlink_to(other)
            case "pipe":
                os.mkfifo(path)
            case _:
                datagrams.bind(str(path))
        before = path.lstat()
        with pytest.raises(ListenError, match=r"`\[http\] control_socket`"):
            await serve_control(path, make_admin_app(commands=RecordingCommands()))
    assert path.lstat().st_ino == before.st_ino


async def test_its_socket_file_is_removed_with_it_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    async with control_client(path):
        assert path.exists()
    assert not path.exists()
    async with control_client(path):
        path.unlink()
        leave_stale_socket(path)
    assert path.exists()


def test_of_many_that_start_at_once_on_a_stale_socket_one_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    leave_stale_socket(path)
    outcomes: list[object] = []
    start = threading.Barrier(8)

    def begin() -> None:
        start.wait()
        try:
            outcomes.append(listen_privately(path))
        except Exception as error:  # noqa: BLE001  it is the outcome
            outcomes.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (got,) = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert hasattr(got, "remove")
    got.remove()
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_is_not_ours_is_refused_with_the_setting(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SocketError, match=r"Permission denied.*`\[http\] control_socket`"):
        listen_privately(tmp_path / "c.sock")


async def test_slow_clients_are_cut_here_too(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    async with anyio.create_task_group() as tasks:
        await tasks.start(_serve_hastily, path)
        async with await anyio.connect_unix(path) as stream:
            await stream.send(b"POST /offices/elm/acc")
            with anyio.fail_after(120), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
        tasks.cancel_scope.cancel()


async def _serve_hastily(path: Path, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    limits = ConnectionLimits(timeout_seconds=0.05)
    await serve_control(path, make_admin_app(commands=RecordingCommands()), limits=limits, task_status=task_status)


async def test_answers_are_json_to_the_last_byte(tmp_path: Path) -> None:
    async with control_client(tmp_path / "c.sock") as client:
        for path in ("/offices/elm/accept", "/offices/oak/accept", "/offices/%C3%A9%22/accept", "/nothing"):
            answer = await client.post(path)
            assert answer.headers["content-type"] == "application/json"
            json.loads(answer.content)
