"""The side of the receiver that speaks SSH: who may come in, and the one thing that may be done inside.

Everything that asyncssh has to do with is here, and loaded only by a daemon that wants to receive.
"""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Never

import asyncssh

from oddaemon.receiver.drop import Drop, UploadMisnamedError, UploadTooLargeError, UploadUnstorableError

LOGIN_SECONDS = 30.0
STRANGERS_MAX = 32
"""Who has not shown a password yet; offices whose file is expected are as many as they are."""
ALIVE_SECONDS = 60.0
"""Between two questions whether who says nothing is still there; three without an answer end the connection."""
KEY_BITS = 3072
"""RSA, since what uploads is whatever SSH library a program of many years carries."""

_NEW = "a new one is made"

Expected = Callable[[str], Drop | None]
"""The drop of a user, while there is one."""


class HostKeyError(Exception):
    """What stands where the host key belongs is not to be used; the text says why and what to do."""


async def listen(host: str, port: int, key: asyncssh.SSHKey, expected: Expected) -> asyncssh.SSHAcceptor:
    """Open the door.

    Raises:
        OSError: The address cannot be listened on.
    """
    strangers = set[asyncssh.SSHServerConnection]()

    def one_file(chan: "asyncssh.SSHServerChannel[bytes]") -> OneFile:
        drop = expected(str(chan.get_connection().get_extra_info("username")))
        if drop is None:
            raise asyncssh.SFTPPermissionDenied("nothing is expected any more")
        return OneFile(chan, drop)

    return await asyncssh.listen(
        host,
        port,
        server_host_keys=[key],
        server_factory=lambda: Door(expected, strangers),
        sftp_factory=one_file,
        allow_scp=False,
        login_timeout=LOGIN_SECONDS,
        keepalive_interval=ALIVE_SECONDS,
        server_version="oddaemon",
    )


def host_key(path: Path) -> asyncssh.SSHKey:
    """The host key, made and kept for its owner alone if there is none.

    Raises:
        HostKeyError: Something else stands there, or others may read it.
        OSError: It cannot be read or kept.
    """
    asyncssh.set_log_level("ERROR")
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-rsa", key_size=KEY_BITS)
        made = path.with_name(f"{path.name}.new")
        with suppress(FileNotFoundError):
            made.unlink()
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.export_private_key())
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    status = path.stat()
    mode, closed = stat.S_IMODE(status.st_mode), stat.S_IRWXG | stat.S_IRWXO
    if mode & (closed if status.st_uid else closed & ~stat.S_IRGRP):
        # Whoever has it can pass for us, and gets the balances. Root may open it to the one group of a daemon.
        raise HostKeyError(f"can be read by other users (mode {mode:04o}); chmod 600, or better move it away: {_NEW}")
    try:
        return asyncssh.read_private_key(path)
    except asyncssh.KeyImportError as error:
        raise HostKeyError(f"is no private key, or has a passphrase; move it away: {_NEW}") from error


class Door(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, expected: Expected, strangers: set[asyncssh.SSHServerConnection]) -> None:
        self._expected = expected
        self._strangers = strangers
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """One stranger more; too many are cut."""
        self._connection = conn
        self._strangers.add(conn)
        if len(self._strangers) > STRANGERS_MAX:
            conn.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """One less."""
        self._acquainted()

    def auth_completed(self) -> None:
        """No stranger any more."""
        self._acquainted()

    def _acquainted(self) -> None:
        if self._connection is not None:
            self._strangers.discard(self._connection)

    def begin_auth(self, _username: str) -> bool:
        """Everybody must show who they are."""
        return True

    def password_auth_supported(self) -> bool:
        """By a password, which is all that the API can hand on."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Whether a file is expected of this user, with this password."""
        drop = self._expected(username)
        return drop is not None and drop.opens_for(password)


class OneFile(asyncssh.SFTPServer):
    """A folder with one file in it that may be written."""

    def __init__(self, chan: "asyncssh.SSHServerChannel[bytes]", drop: Drop) -> None:
        super().__init__(chan, chroot=os.fsencode(drop.directory))
        self._drop = drop
        self._has_ended = False

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """The expected file, to be written from its beginning."""
        self._require_expected(path, writing=bool(pflags & asyncssh.FXF_WRITE))
        attrs.permissions = 0o600
        with self._room():
            # Who appends writes behind the end, wherever they say that it goes: nobody could tell how large it becomes.
            flags = (pflags | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC) & ~asyncssh.FXF_APPEND
            return super().open(path, flags, attrs)

    def open56(self, path: bytes, desired_access: int, _flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """The same in later versions of the protocol."""
        self._require_expected(path, writing=bool(desired_access & asyncssh.ACE4_WRITE_DATA))
        attrs.permissions = 0o600
        with self._room():
            access = desired_access & ~asyncssh.ACE4_APPEND_DATA
            return super().open56(path, access, asyncssh.FXF_CREATE_TRUNCATE, attrs)

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        """As far as there may be something, and as long as somebody waits for it."""
        if self._drop.is_over:
            raise asyncssh.SFTPFailure("nothing is expected any more")
        if offset + len(data) > self._drop.bytes_max:
            self._drop.refuse(UploadTooLargeError(f"it has more than {self._drop.bytes_max:,} bytes"))
            raise asyncssh.SFTPFailure("too large")
        with self._room():
            return super().write(file_obj, offset, data)

    def close(self, file_obj: object) -> None:
        """A connection that breaks closes its files too, and ends the session in the same breath."""
        super().close(file_obj)
        asyncio.get_running_loop().call_soon(self._closed)

    def exit(self) -> None:
        """The session is over."""
        self._has_ended = True

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Programs set a file's times once it is there; they say nothing here."""

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """The same."""

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """The same."""

    def mkdir(self, _path: bytes, _attrs: asyncssh.SFTPAttrs) -> Never:
        """Denied, as all that follows."""
        self._deny()

    def rmdir(self, _path: bytes) -> Never:
        """Denied."""
        self._deny()

    def rename(self, _oldpath: bytes, _newpath: bytes) -> Never:
        """Denied."""
        self._deny()

    def posix_rename(self, _oldpath: bytes, _newpath: bytes) -> Never:
        """Denied."""
        self._deny()

    def symlink(self, _oldpath: bytes, _newpath: bytes) -> Never:
        """Denied."""
        self._deny()

    def link(self, _oldpath: bytes, _newpath: bytes) -> Never:
        """Denied."""
        self._deny()

    def remove(self, path: bytes) -> None:
        """What it wrote itself it may take back."""
        self._require_expected(path, writing=True)
        super().remove(path)

    def _closed(self) -> None:
        if not self._has_ended:
            self._drop.arrived()

    def _require_expected(self, path: bytes, *, writing: bool) -> None:
        if self.map_path(path) != os.fsencode(self._drop.path.resolve()):
            self._drop.refuse(UploadMisnamedError())
            self._deny()
        if not writing:
            self._deny()

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._drop.refuse(UploadUnstorableError(f"the upload cannot be written: {error.strerror}"))
            raise asyncssh.SFTPFailure("no room") from None

    def _deny(self) -> Never:
        raise asyncssh.SFTPPermissionDenied("only the expected file can be written here")
