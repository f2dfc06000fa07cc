"""How a command ends when it cannot do what it was asked: a message on standard error and a status, no traceback."""

import typer

from oddaemon.cli.exit_status import ExitStatus


def leaves(group: ExceptionGroup[Exception]) -> tuple[Exception, ...]:
    """The errors that a group comes down to; task groups nest."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, ExceptionGroup) else (error,)
    return tuple(found)


def failure(message: str, status: ExitStatus = ExitStatus.FAILED) -> typer.Exit:
    """Say on standard error what is wrong; whoever calls raises what comes back, which ends the command."""
    typer.echo(f"oddaemon: {message}", err=True)
    return typer.Exit(status)
