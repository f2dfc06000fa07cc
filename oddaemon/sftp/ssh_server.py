"""The SSH side of the receiver: who may log in, and the one operation that is allowed.

All use of asyncssh is here, and only a daemon with a receiver loads it.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Never

import asyncssh

from oddaemon.sftp.unauthenticated import UnauthenticatedConnections
from oddaemon.sftp.upload_slot import (
    OPEN_MAX,
    UploadMisnamedError,
    UploadSlot,
    UploadTooLargeError,
    UploadUnstorableError,
)

LOGIN_TIMEOUT_SECONDS = 10.0
PASSWORD_TRIES_MAX = 3
"""Of one connection."""
LISTINGS_MAX = 64
"""Of one session; clients list the folder before and after an upload."""
KEEPALIVE_SECONDS = 60.0
"""Between two keepalive requests on an idle connection; three without a response end it."""
KEY_BITS = 3072
"""RSA, because Open Dental uploads with an old SSH library."""

NO_SHA1 = "-*sha1*"
"""Broken algorithms, which the library offers for clients that know no others."""
_SHA1_SIGNATURE = b"ssh-rsa"

_NEW_KEY_HINT = "the next start creates a new one"

FindSlot = Callable[[str], UploadSlot | None]
"""Finds the upload slot of a user, if there is one."""


class HostKeyError(Exception):
    """The file at the host key's path cannot be used; the message says why and what to do."""


async def listen(host: str, port: int, key: asyncssh.SSHKey, find_slot: FindSlot) -> asyncssh.SSHAcceptor:
    """Start listening.

    Raises:
        OSError: the address cannot be listened on.
    """
    unauthenticated = UnauthenticatedConnections()
    (key_pair,) = asyncssh.load_keypairs([key])
    key_pair.host_key_algorithms = [name for name in key_pair.host_key_algorithms if name != _SHA1_SIGNATURE]

    def make_sftp(chan: "asyncssh.SSHServerChannel[bytes]") -> SingleFileSftp:
        slot = find_slot(str(chan.get_connection().get_extra_info("username")))
        if slot is None:
            raise asyncssh.SFTPPermissionDenied("no file is expected any more")
        if slot.sessions >= OPEN_MAX:
            raise asyncssh.SFTPFailure("too many sessions of this user")
        slot.sessions += 1
        return SingleFileSftp(chan, slot)

    return await asyncssh.listen(
        host,
        port,
        server_host_keys=[key_pair],
        server_factory=lambda: SshServer(find_slot, unauthenticated),
        sftp_factory=make_sftp,
        allow_scp=False,
        kex_algs=NO_SHA1,
        mac_algs=NO_SHA1,
        signature_algs=f"-{_SHA1_SIGNATURE.decode()}",
        login_timeout=LOGIN_TIMEOUT_SECONDS,
        keepalive_interval=KEEPALIVE_SECONDS,
        server_version="oddaemon",
    )


def load_host_key(path: Path) -> asyncssh.SSHKey:
    """The host key; created with mode 0600 if there is none.

    Raises:
        HostKeyError: the file is no private key, or other users may read it.
        OSError: it cannot be read or written.
    """
    asyncssh.set_log_level("ERROR")
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-rsa", key_size=KEY_BITS)
        new_path = path.with_name(f"{path.name}.new")
        with suppress(FileNotFoundError):
            new_path.unlink()
        with os.fdopen(os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.export_private_key())
            file.flush()
            os.fsync(file.fileno())
        new_path.replace(path)
    status = path.stat()
    mode, forbidden = stat.S_IMODE(status.st_mode), stat.S_IRWXG | stat.S_IRWXO
    if mode & (forbidden if status.st_uid else forbidden & ~stat.S_IRGRP):
        # With the key another server could receive the balances. Root may make it readable for the daemon's group.
        raise HostKeyError(
            f"can be read by other users (mode {mode:04o}). Run chmod 600, or better move it away: {_NEW_KEY_HINT}"
        )
    try:
        return asyncssh.read_private_key(path)
    except asyncssh.KeyImportError as error:
        raise HostKeyError(f"is not a private key, or has a passphrase. Move it away: {_NEW_KEY_HINT}") from error


class SshServer(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, find_slot: FindSlot, unauthenticated: UnauthenticatedConnections) -> None:
        self._find_slot = find_slot
        self._unauthenticated = unauthenticated
        self._connection: asyncssh.SSHServerConnection | None = None
        self._slot: UploadSlot | None = None
        self._tries_left = PASSWORD_TRIES_MAX

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Count an unauthenticated connection; the one that has waited longest is closed if there are too many."""
        self._connection = conn
        address = conn.get_extra_info("peername") or ("",)
        self._unauthenticated.add(conn, address[0])

    def connection_lost(self, _exc: Exception | None) -> None:
        """The connection no longer counts."""
        self._discard_unauthenticated()
        if self._slot is not None and self._connection is not None:
            self._slot.connections.discard(self._connection)

    def auth_completed(self) -> None:
        """The connection no longer counts as unauthenticated."""
        self._discard_unauthenticated()

    def _discard_unauthenticated(self) -> None:
        if self._connection is not None:
            self._unauthenticated.discard(self._connection)

    def begin_auth(self, _username: str) -> bool:
        """Require authentication of every user."""
        return True

    def password_auth_supported(self) -> bool:
        """Allow passwords, the only method that the API can pass on."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Whether a file is expected of this user with this password.

        Raises:
            PermissionDenied: after the last try, or if the user has too many connections; it ends the connection.
        """
        slot = self._find_slot(username)
        if slot is not None and slot.accepts_password(password):
            if len(slot.connections) >= OPEN_MAX or self._connection is None:
                raise asyncssh.PermissionDenied("too many connections of this user")
            self._slot = slot
            slot.connections.add(self._connection)
            return True
        self._tries_left -= 1
        if not self._tries_left:
            raise asyncssh.PermissionDenied("too many wrong passwords")
        return False


class SingleFileSftp(asyncssh.SFTPServer):
    """A folder in which one file may be written."""

    def __init__(self, chan: "asyncssh.SSHServerChannel[bytes]", slot: UploadSlot) -> None:
        super().__init__(chan, chroot=os.fsencode(slot.directory))
        self._slot = slot
        self._has_exited = False
        self._listings_left = LISTINGS_MAX

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open the expected file for writing, from its beginning."""
        self._require_expected_file(path, writing=bool(pflags & asyncssh.FXF_WRITE))
        attrs.permissions = 0o600
        with self._reject_write_errors():
            # Appended data goes to the end of the file, whatever its offset, so the size could not be limited.
            flags = (pflags | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC) & ~asyncssh.FXF_APPEND
            return self._take_handle(super().open, path, flags, attrs)

    def open56(self, path: bytes, desired_access: int, _flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """As `open`, in later versions of the protocol."""
        self._require_expected_file(path, writing=bool(desired_access & asyncssh.ACE4_WRITE_DATA))
        attrs.permissions = 0o600
        with self._reject_write_errors():
            access = desired_access & ~asyncssh.ACE4_APPEND_DATA
            return self._take_handle(super().open56, path, access, asyncssh.FXF_CREATE_TRUNCATE, attrs)

    def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """List the folder, a limited number of times: a listing that is never closed stays in memory."""
        if not self._listings_left:
            raise asyncssh.SFTPFailure("too many listings")
        self._listings_left -= 1
        return super().scandir(path)

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        """Write within the size limit, while the file is expected."""
        if self._slot.is_closed:
            raise asyncssh.SFTPFailure("no file is expected any more")
        if offset + len(data) > self._slot.bytes_max:
            self._slot.reject(UploadTooLargeError(f"it has more than {self._slot.bytes_max:,} bytes"))
            raise asyncssh.SFTPFailure("too large")
        with self._reject_write_errors():
            return super().write(file_obj, offset, data)

    def close(self, file_obj: object) -> None:
        """Mark the file complete, unless the session ends, too: a lost connection also closes its files."""
        super().close(file_obj)
        self._slot.handles -= 1
        asyncio.get_running_loop().call_soon(self._mark_complete)

    def exit(self) -> None:
        """The session ends."""
        self._has_exited = True
        self._slot.sessions -= 1

    def _ignore(self, *_arguments: Any, **_named: Any) -> None:  # noqa: ANN401 - of any of asyncssh's operations
        """Clients set the times of a file after the upload."""

    setstat = lsetstat = fsetstat = _ignore

    def _deny(self, *_arguments: Any, **_named: Any) -> Never:  # noqa: ANN401 - the same
        raise asyncssh.SFTPPermissionDenied("only the expected file can be written here")

    mkdir = rmdir = rename = posix_rename = symlink = link = _deny

    def remove(self, path: bytes) -> None:
        """Allow the client to delete the file that it wrote."""
        self._require_expected_file(path, writing=True)
        super().remove(path)

    def _take_handle(self, open_file: Callable[..., object], *arguments: object) -> object:
        if self._slot.handles >= OPEN_MAX:
            raise asyncssh.SFTPFailure("too many open files")
        file = open_file(*arguments)
        self._slot.handles += 1
        return file

    def _mark_complete(self) -> None:
        if not self._has_exited:
            self._slot.mark_complete()

    def _require_expected_file(self, path: bytes, *, writing: bool) -> None:
        if self.map_path(path) != os.fsencode(self._slot.path.resolve()):
            self._slot.reject(UploadMisnamedError())
            self._deny()
        if not writing:
            self._deny()

    @contextmanager
    def _reject_write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._slot.reject(UploadUnstorableError(f"the upload cannot be written: {error.strerror}"))
            raise asyncssh.SFTPFailure("no room") from None
