"""What works on the database's file: done by ourselves or, while a daemon has it open, by the daemon."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import typer

from oddaemon.cli.asking import NotRunningError, Reply, reply_of, socket_of
from oddaemon.cli.failing import failure
from oddaemon.store.errors import DatabaseHeld

LOOK_SECONDS = 0.5
"""Between two looks whether the daemon is done."""

Document = dict[str, Any]


async def done_by_daemon(held: DatabaseHeld, config: Path, target: str, query: str = "") -> Document:
    """What the daemon that holds the database did, once it is done; whatever is in the way ends the command.

    Ctrl-C leaves it to the daemon.

    Args:
        held: That somebody does.
        config: Says where the daemon takes orders.
        target: The order's path at the control socket, where it is given and looked at.
        query: What is given with it: "?older_than_days=90".
    """
    socket = await anyio.to_thread.run_sync(socket_of, config)
    try:
        begun = await _asked(socket, "POST", target + query)
    except NotRunningError:
        raise failure(
            f"{held.what} It alone writes to its database, and nobody takes orders at {socket}: stop it, run this "
            "again, and start it (systemctl stop oddaemon; ...; systemctl start oddaemon)."
        ) from None
    typer.echo(f"The daemon has the database open. {begun['outcome']}", err=True)
    try:
        while True:
            found: Document | None = (await _asked(socket, "GET", target))["found"]
            if found is not None:
                return found
            await anyio.sleep(LOOK_SECONDS)
    except NotRunningError:
        raise failure("The daemon was stopped, and what was not done yet was broken off: run this again.") from None


async def _asked(socket: Path, method: str, target: str) -> Document:
    reply: Reply = await anyio.to_thread.run_sync(reply_of, socket, method, target, abandon_on_cancel=True)
    if reply.status != HTTPStatus.OK:
        raise failure(reply.refusal)
    return reply.document
