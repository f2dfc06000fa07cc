"""What a client says to PostgreSQL, message by message, so that a proxy can stop it at a named statement."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

UNTYPED_HEAD = struct.Struct("!ii")
TYPED_HEAD = struct.Struct("!ci")
STARTUP = 3 << 16
"""The version in the message with which a session begins; every message before it asks for something else."""
QUERY, PARSE, BIND, COPY_DATA = "Q", "P", "B", "d"


@dataclass(frozen=True)
class ClientMessage:
    """One message.

    Attributes:
        kind: Its letter; empty before the session begins.
        data: All its bytes.
        statement: The text that it has the server execute, also if that was prepared earlier; else empty.
        transaction: The statements of the transaction so far, without this one.
    """

    kind: str
    data: bytes = field(repr=False)
    statement: str = ""
    transaction: tuple[str, ...] = ()

    @property
    def is_commit(self) -> bool:
        return self.statement.upper().startswith("COMMIT")

    @property
    def commits_balances(self) -> bool:
        """Whether it ends a transaction that copied balances."""
        return self.is_commit and any(each.upper().startswith("COPY") for each in self.transaction)


class ClientMessageReader:
    """Splits a client's bytes into messages, and keeps account of what it prepared."""

    def __init__(self) -> None:
        self._buffer = b""
        self._has_begun = False
        self._prepared: dict[bytes, str] = {}
        self._transaction: tuple[str, ...] = ()

    def feed(self, data: bytes) -> Iterator[ClientMessage]:
        """The messages that these bytes complete."""
        self._buffer += data
        while (message := self._take()) is not None:
            yield message

    def _take(self) -> ClientMessage | None:
        head = TYPED_HEAD if self._has_begun else UNTYPED_HEAD
        if len(self._buffer) < head.size:
            return None
        if self._has_begun:
            kind, length = TYPED_HEAD.unpack_from(self._buffer)
            end = 1 + length
        else:
            end, version = UNTYPED_HEAD.unpack_from(self._buffer)
        if len(self._buffer) < end:
            return None
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        if not self._has_begun:
            self._has_begun = version >= STARTUP and version < STARTUP + (1 << 16)
            return ClientMessage("", data)
        return self._interpret(kind.decode("latin-1"), data)

    def _interpret(self, kind: str, data: bytes) -> ClientMessage:
        statement, before = "", self._transaction
        match kind, data[TYPED_HEAD.size :].split(b"\0"):
            case "Q", [text, *_]:
                statement = text.decode(errors="replace").strip()
            case "P", [name, text, *_]:
                self._prepared[name] = text.decode(errors="replace").strip()
            case "B", [_, name, *_]:
                statement = self._prepared.get(name, "")
        if statement:
            first = statement.upper()
            over = first.startswith(("BEGIN", "COMMIT", "ROLLBACK"))
            self._transaction = () if over else (*before, statement)
        return ClientMessage(kind, data, statement, before)
