"""The receiver, with a real client over real sockets: one file is taken, and nothing else."""

import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import asyncssh
import pytest

from oddaemon.core.model import UploadTarget
from oddaemon.sftp.receiver import ReceiverError, ReceiverOptions, SftpReceiver
from oddaemon.sftp.ssh_server import UNAUTHENTICATED_MAX
from oddaemon.sftp.upload_slot import (
    UploadMisnamedError,
    UploadMissingError,
    UploadSlot,
    UploadTooLargeError,
)

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
async def sftp_client(target: UploadTarget, password: str | None = None) -> AsyncIterator[asyncssh.SFTPClient]:
    host, _, _ = target.address.partition("/")
    connecting = asyncssh.connect(
        host, target.port, username=target.username, password=password or target.password, known_hosts=None
    )
    async with connecting as connection, connection.start_sftp_client() as sftp:
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


async def test_a_connection_that_breaks_leaves_no_whole_file(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        async with sftp_client(slot.target) as sftp:
            file = await sftp.open(get_remote_path(slot), "wb")
            await file.write(b"PatNum\n")
            sftp.exit()
            await sftp.wait_closed()
        with pytest.raises(UploadMissingError, match=r"the upload was not complete within 0\.2 s"):
            await slot.wait_for_file(0.2)


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
        with pytest.raises(asyncssh.SFTPFailure, match="no file is expected"):
            await file.write(b"11\n")


async def test_more_offices_upload_at_once_than_unauthenticated_clients_are_allowed(tmp_path: Path) -> None:
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot, AsyncExitStack() as offices:
        for _ in range(UNAUTHENTICATED_MAX + 1):
            await offices.enter_async_context(sftp_client(slot.target))
        port = slot.target.port
        clients = [
            await offices.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            for _ in range(UNAUTHENTICATED_MAX)
        ]
        assert [await client.receive(3) for client in clients] == [b"SSH"] * UNAUTHENTICATED_MAX
        with pytest.raises((asyncssh.Error, OSError)):
            await offices.enter_async_context(sftp_client(slot.target))


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


async def test_a_failure_to_listen_is_reported(tmp_path: Path) -> None:
    key = tmp_path / "host-key"
    key.write_text("no key")
    with pytest.raises(ReceiverError, match=r"can be read by other users \(mode 0644\)\. Run chmod 600"):
        await SftpReceiver(make_options(tmp_path)).serve()
    key.chmod(0o600)
    with pytest.raises(ReceiverError, match="is not a private key, or has a passphrase"):
        await SftpReceiver(make_options(tmp_path)).serve()
    key.unlink()
    async with running_receiver(tmp_path) as site, site.receiver.open_slot() as slot:
        with pytest.raises(ReceiverError, match=r"Cannot listen on 127\.0\.0\.1:\d+: .*in use.*\[sftp\] listen"):
            await SftpReceiver(make_options(tmp_path, slot.target.port)).serve()
