"""The receiver, with a real client over real sockets: one file is taken, and nothing else."""

import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import asyncssh
import pytest
from anyio.abc import SocketStream

from oddaemon.core.model import UploadTarget
from oddaemon.sftp.receiver import ReceiverError, ReceiverOptions, SftpReceiver
from oddaemon.sftp.ssh_server import LISTINGS_MAX, PASSWORD_TRIES_MAX
from oddaemon.sftp.unauthenticated import UNAUTHENTICATED_MAX, UNAUTHENTICATED_PER_CLIENT_MAX
from oddaemon.sftp.upload_slot import (
    OPEN_MAX,
    UploadMisnamedError,
    UploadMissingError,
    UploadSlot,
    UploadTooLargeError,
)
from tests.golden import GoldenTexts

BYTES_MAX = 50_000
TIMEOUT_SECONDS = 60.0


@dataclass
class RunningReceiver:
    receiver: SftpReceiver
    fingerprint: str


def make_options(directory: Path, port: int = 0) -> ReceiverOptions:
    return ReceiverOptions(
        host="127.0.0.1",
        port=port,
        public_host="127.0.0.1",
        public_port=0,
        host_key=directory / "host-key",
        directory=directory / "uploads",
        bytes_max=BYTES_MAX,
        wait_seconds=TIMEOUT_SECONDS,
    )


@asynccontextmanager
async def running_receiver(directory: Path) -> AsyncIterator[RunningReceiver]:
    receiver = SftpReceiver(make_options(directory))
    async with anyio.create_task_group() as tasks:
        fingerprint = await tasks.start(receiver.serve)
        yield RunningReceiver(receiver, fingerprint)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def connect(target: UploadTarget, password: str | None = None) -> AsyncIterator[asyncssh.SSHClientConnection]:
    host, _, _ = target.address.partition("/")
    connecting = asyncssh.connect(
        host, target.port, username=target.username, password=password or target.password, known_hosts=None
    )
    async with connecting as connection:
        yield connection


@asynccontextmanager
async def sftp_client(target: UploadTarget, password: str | None = None) -> AsyncIterator[asyncssh.SFTPClient]:
    async with connect(target, password) as connection, connection.start_sftp_client() as sftp:
        yield sftp


def get_remote_path(slot: UploadSlot) -> str:
    return "/" + slot.target.address.partition("/")[2]


async def test_the_expected_file_comes_whole_and_is_gone_afterwards(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        async with sftp_client(slot.target) as sftp, sftp.open(get_remote_path(slot), "wb") as file:
            await file.write(b"PatNum\n" * 100)
        path = await slot.wait_for_file(TIMEOUT_SECONDS)
        assert path.read_bytes() == b"PatNum\n" * 100
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list((tmp_path / "uploads").iterdir()) == []


async def test_a_file_that_is_written_again_is_overwritten(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        async with sftp_client(slot.target) as sftp:
            for content in (b"a long first one\n", b"short\n"):
                async with sftp.open(get_remote_path(slot), "wb") as file:
                    await file.write(content)
        assert (await slot.wait_for_file(TIMEOUT_SECONDS)).read_bytes() == b"short\n"


async def test_a_connection_that_breaks_leaves_no_whole_file(tmp_path: Path, golden: GoldenTexts) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        async with sftp_client(slot.target) as sftp:
            file = await sftp.open(get_remote_path(slot), "wb")
            await file.write(b"PatNum\n")
            sftp.exit()
            await sftp.wait_closed()
        with pytest.raises(UploadMissingError) as caught:
            await slot.wait_for_file(0.2)
        golden.check(caught.value)


async def test_a_wrong_password_or_none_that_is_expected_any_more_opens_nothing(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site:
        async with site.receiver.open_slot() as slot:
            with pytest.raises(asyncssh.PermissionDenied):
                async with sftp_client(slot.target, password="guessed"):
                    pass
        with pytest.raises(asyncssh.PermissionDenied):
            async with sftp_client(slot.target):
                pass


async def test_each_transfer_has_a_user_a_password_and_a_folder_of_its_own(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as one, site.receiver.open_slot() as other:
        assert one.target.username != other.target.username
        assert one.target.password != other.target.password
        with pytest.raises(asyncssh.PermissionDenied):
            async with sftp_client(one.target, password=other.target.password):
                pass
        async with sftp_client(one.target) as sftp:
            assert await sftp.listdir("/") != []
            assert other.name not in await sftp.listdir("/balances")
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.open(f"/../../{other.directory.name}/balances/{other.name}", "wb")


@pytest.mark.parametrize("name", ["/balances/other.csv", "/other.csv", "/balances/../../../etc/passwd", "other.csv"])
async def test_another_name_is_refused_and_ends_the_transfer(tmp_path: Path, name: str) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        async with sftp_client(slot.target) as sftp:
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.open(name, "wb")
        with pytest.raises(UploadMisnamedError):
            await slot.wait_for_file(TIMEOUT_SECONDS)


async def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        async with sftp_client(slot.target) as sftp:
            file = await sftp.open(get_remote_path(slot), "wb")
            with pytest.raises(asyncssh.SFTPFailure):
                await file.write(b"x" * (BYTES_MAX + 1))
        with pytest.raises(UploadTooLargeError, match="more than 50,000 bytes"):
            await slot.wait_for_file(TIMEOUT_SECONDS)


async def test_what_is_appended_makes_no_file_larger_than_it_may_be(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        async with sftp_client(slot.target) as sftp, sftp.open(get_remote_path(slot), "ab") as file:
            for _ in range(3):
                await file.write(b"x" * (BYTES_MAX - 1), 0)
        assert (await slot.wait_for_file(TIMEOUT_SECONDS)).stat().st_size < BYTES_MAX


async def test_nothing_is_written_any_more_when_no_upload_is_expected(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, AsyncExitStack() as office:
        async with site.receiver.open_slot() as slot:
            sftp = await office.enter_async_context(sftp_client(slot.target))
            file = await sftp.open(get_remote_path(slot), "wb")
            await file.write(b"PatNum\n")
        with pytest.raises((asyncssh.ConnectionLost, asyncssh.SFTPError)):
            await file.write(b"11\n")


async def connect_silently(clients: AsyncExitStack, port: int, number: int, host: str) -> list[SocketStream]:
    """Connections that say nothing, each accepted: the server has said its name."""
    streams = []
    for _ in range(number):
        stream = await clients.enter_async_context(await anyio.connect_tcp("127.0.0.1", port, local_host=host))
        assert await stream.receive(3) == b"SSH"
        streams.append(stream)
    return streams


async def stays_open(stream: SocketStream) -> bool:
    """Whether the server still listens: it answers a line that is not SSH before it closes the connection."""
    await stream.send(b"SSH-2.0-probe\r\n")
    received = b""
    with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
        while b"\x14" not in received:  # the server's choice of algorithms
            received += await stream.receive()
    return b"\x14" in received


async def read_to_end(stream: SocketStream) -> bytes:
    received = b""
    with anyio.fail_after(TIMEOUT_SECONDS), suppress(anyio.BrokenResourceError, anyio.EndOfStream):
        while True:
            received += await stream.receive()
    return received


async def upload(slot: UploadSlot) -> None:
    async with sftp_client(slot.target) as sftp, sftp.open(get_remote_path(slot), "wb") as file:
        await file.write(b"PatNum\n")
    await slot.wait_for_file(TIMEOUT_SECONDS)


async def test_silent_connections_from_one_address_keep_no_upload_out(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot, AsyncExitStack() as clients:
        await connect_silently(clients, slot.target.port, UNAUTHENTICATED_MAX * 2, "127.0.0.1")
        await upload(slot)


async def test_silent_connections_from_many_addresses_keep_no_upload_out(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot, AsyncExitStack() as clients:
        for number in range(2, 2 + UNAUTHENTICATED_MAX):
            await connect_silently(clients, slot.target.port, 2, f"127.0.0.{number}")
        await upload(slot)


async def test_the_one_that_has_waited_longest_makes_room_for_its_own_address(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot, AsyncExitStack() as clients:
        (other,) = await connect_silently(clients, slot.target.port, 1, "127.0.0.2")
        first, *later = await connect_silently(
            clients, slot.target.port, 1 + UNAUTHENTICATED_PER_CLIENT_MAX, "127.0.0.1"
        )
        await read_to_end(first)
        assert [await stays_open(each) for each in (other, *later)] == [True] * (1 + len(later))


async def test_a_connection_may_try_three_passwords(tmp_path: Path) -> None:
    tried = []

    class Guesser(asyncssh.SSHClient):
        def password_auth_requested(self) -> str:
            tried.append("guessed")
            return "guessed"

    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        with pytest.raises((asyncssh.Error, OSError)):
            await asyncssh.connect(
                "127.0.0.1",
                slot.target.port,
                client_factory=Guesser,
                username=slot.target.username,
                known_hosts=None,
                preferred_auth="password",
            )
        await upload(slot)
    assert len(tried) == PASSWORD_TRIES_MAX


@pytest.mark.parametrize(
    "weak",
    [
        {"kex_algs": ["diffie-hellman-group14-sha1"]},
        {"mac_algs": ["hmac-sha1", "hmac-sha1-etm@openssh.com"], "encryption_algs": ["aes128-ctr"]},
        {"server_host_key_algs": ["ssh-rsa"]},
    ],
)
async def test_broken_algorithms_are_refused(tmp_path: Path, weak: Mapping[str, list[str]]) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        with pytest.raises(asyncssh.KeyExchangeFailed):
            await asyncssh.connect("127.0.0.1", slot.target.port, known_hosts=None, **weak)


async def test_one_upload_has_few_connections_sessions_files_and_listings(tmp_path: Path, golden: GoldenTexts) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot, AsyncExitStack() as clients:
        sftp, *_ = [await clients.enter_async_context(sftp_client(slot.target)) for _ in range(OPEN_MAX)]
        with pytest.raises(asyncssh.PermissionDenied):
            await clients.enter_async_context(sftp_client(slot.target))
        files = [await sftp.open(get_remote_path(slot), "wb") for _ in range(OPEN_MAX)]
        with pytest.raises(asyncssh.SFTPFailure) as caught:
            await sftp.open(get_remote_path(slot), "wb")
        golden.check(caught.value)
        await files[0].close()
        await sftp.open(get_remote_path(slot), "wb")
        for _ in range(LISTINGS_MAX):
            await sftp.listdir("/")
        with pytest.raises(asyncssh.SFTPFailure, match="too many listings"):
            await sftp.listdir("/")


async def test_a_connection_ends_with_its_upload(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, AsyncExitStack() as clients:
        async with site.receiver.open_slot() as slot:
            connection = await clients.enter_async_context(connect(slot.target))
        with anyio.fail_after(TIMEOUT_SECONDS):
            await connection.wait_closed()


async def test_nothing_else_can_be_done_there(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot, sftp_client(slot.target) as sftp:
        path = get_remote_path(slot)
        async with sftp.open(path, "wb") as file:
            await file.write(b"OK")
        for attempt in (
            sftp.mkdir("/more"),
            sftp.rmdir("/balances"),
            sftp.rename(path, "/elsewhere"),
            sftp.posix_rename(path, "/elsewhere"),
            sftp.symlink("/etc", "/link"),
            sftp.link(path, "/link"),
            sftp.open(path, "rb"),
        ):
            with pytest.raises((asyncssh.SFTPPermissionDenied, asyncssh.SFTPFailure)):
                await attempt
        await sftp.utime(path, (1, 1))
        await sftp.chmod(path, 0o777)
        await sftp.chmod("/balances", 0o777, follow_symlinks=False)
        assert stat.S_IMODE(slot.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(slot.path.parent.stat().st_mode) == 0o700


async def test_no_shell_is_to_be_had(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        target = slot.target
        connecting = asyncssh.connect(
            "127.0.0.1", target.port, username=target.username, password=target.password, known_hosts=None
        )
        async with connecting as connection:
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.run("id", check=True)


async def test_the_host_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as first:
        pass
    async with running_receiver(tmp_path) as second:
        pass
    assert first.fingerprint == second.fingerprint
    assert stat.S_IMODE((tmp_path / "host-key").stat().st_mode) == 0o600


async def test_a_failure_to_listen_is_reported(tmp_path: Path, golden: GoldenTexts) -> None:
    key = tmp_path / "host-key"
    key.write_text("no key")
    with pytest.raises(ReceiverError) as caught:
        await SftpReceiver(make_options(tmp_path)).serve()
    golden.check(caught.value)
    key.chmod(0o600)
    with pytest.raises(ReceiverError) as caught:
        await SftpReceiver(make_options(tmp_path)).serve()
    golden.check(caught.value)
    key.unlink()
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        with pytest.raises(ReceiverError, match=r"in use.*\[sftp\] listen"):
            await SftpReceiver(make_options(tmp_path, slot.target.port)).serve()
