"""How a daemon begins to watch offices that were added to the configuration."""

from oddaemon.cli.sources.daemon_client import DaemonNotRunning, request
from oddaemon.settings import Settings


def describe_next_step(settings: Settings, offices: int = 1) -> str:
    """Whether the daemon picks up the offices by itself, or which command to run."""
    pronoun = "it" if offices == 1 else "them"
    socket = settings.http.control_socket
    try:
        if socket is None:
            return f"`oddaemon run` watches {pronoun}."
        request(socket, "GET", "/plan")
    except DaemonNotRunning:
        return f"No daemon is running; `oddaemon run` watches {pronoun}."
    if not settings.daemon.watch:
        return f"Run `oddaemon reload` to make the daemon watch {pronoun}."
    seconds = f"{settings.daemon.debounce_seconds:g} s"
    return f"The running daemon starts to watch {pronoun} within about {seconds}; see `oddaemon status`."
