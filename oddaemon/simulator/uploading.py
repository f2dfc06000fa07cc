"""`POST /queries`: the office runs a query and uploads what it brings, as a CSV, to an SFTP server.

The file is as unreliable as it was seen to be: nothing is quoted, whatever commas a text holds, and a result without
rows is a file that says `OK`.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import asyncssh

from oddaemon.simulator import answers
from oddaemon.simulator.calls import RefusalError

NO_ROWS = b"OK"
PORT = 22


@dataclass(frozen=True)
class UploadOrder:
    """What an office is told: what to ask its database, and where to upload to."""

    sql: str
    host: str
    path: str
    port: int
    username: str
    password: str = field(repr=False)
    is_async: bool = False


Uploader = Callable[[UploadOrder, bytes], Awaitable[None]]
"""Brings a file where it is wanted; what goes wrong on the way is the office's secret."""


def order_of(body: bytes) -> UploadOrder:
    """The order in a request's body.

    Raises:
        RefusalError: There is none in it.
    """
    try:
        asked = json.loads(body)
        host, _, path = asked["SftpAddress"].partition("/")
        return UploadOrder(
            sql=asked["SqlCommand"],
            host=host,
            path=f"/{path}",
            port=int(asked.get("SftpPort", PORT)),
            username=asked["SftpUsername"],
            password=asked["SftpPassword"],
            is_async=asked.get("IsAsync") == "true",
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusalError(answers.sentence(400, answers.UPLOAD_MALFORMED)) from error


def csv_of(rows: Sequence[Mapping[str, object]]) -> bytes:
    """The file of a result."""
    if not rows:
        return NO_ROWS
    lines = [",".join(rows[0]), *(",".join(map(_cell, row.values())) for row in rows)]
    return ("\r\n".join(lines) + "\r\n").encode()


async def sftp_upload(order: UploadOrder, content: bytes) -> None:
    """Upload for real, over whatever host key is shown; an office tells nobody why it could not."""
    try:
        async with (
            asyncssh.connect(
                order.host, order.port, username=order.username, password=order.password, known_hosts=None
            ) as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(order.path, "wb") as file,
        ):
            await file.write(content)
    except (OSError, asyncssh.Error):
        return


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.15g}"
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)
