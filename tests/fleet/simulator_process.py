"""Headquarters as a process of its own, whose log knows which host sent a request.

python -m tests.fleet.simulator_process PLAN.json

All hosts use one address, as their configurations must be equal. A request is that of the process at the other end of
its connection, and a process is that of the host whose directory holds its configuration.

It ends with its standard input, so it never outlives the test.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx
import msgspec

from oddaemon.simulator.api.messages import API_PREFIX, Endpoint
from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.plan.plan_file import read_plan
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.process import run_simulator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class SimulatorProcess:
    """The running simulator."""

    base_url: str

    async def run_aging(self, office_id: str) -> None:
        """Run aging in an office, to its end."""
        await self._send("POST", f"/-/offices/{office_id}/aging")

    async def plant(self, kind: str, *office_ids: str, **fields: Any) -> None:
        """Plant a fault, as in a plan; no office: in all of them."""
        await self._send("POST", "/-/faults", {"kind": kind, "offices": list(office_ids), **fields})

    async def clear_faults(self) -> None:
        await self._send("DELETE", "/-/faults")

    async def read_seconds(self) -> float:
        """How long it has been open: the clock of its log."""
        return float((await self._send("GET", "/-/healthy"))["seconds"])

    async def list_requests(self) -> list[RecordedRequest]:
        """Every exchange that is over."""
        return [_parse_request(each) for each in (await self._send("GET", "/-/requests"))["requests"]]

    async def _send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        url = self.base_url.removesuffix(API_PREFIX) + path
        async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
            response = await client.request(method, url, json=body)
        assert response.is_success, response.text
        found: dict[str, Any] = response.json()
        return found


def _parse_request(found: Mapping[str, Any]) -> RecordedRequest:
    return RecordedRequest(
        **{**found, "kind": Endpoint(found["kind"]), "arrived": datetime.fromisoformat(found["arrived"])}
    )


@asynccontextmanager
async def simulator_process(plan: Mapping[str, Any], directory: Path) -> AsyncIterator[SimulatorProcess]:
    """A simulator of this plan for the length of the block.

    Args:
        plan: As in a plan file.
        directory: Where the plan is written.
    """
    path = directory / "plan.json"
    path.write_bytes(msgspec.json.encode(plan))
    command = [sys.executable, "-m", "tests.fleet.simulator_process", str(path)]
    async with await anyio.open_process(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=None) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            line = b""
            while not line.endswith(b"\n"):
                line += await process.stdout.receive()
            yield SimulatorProcess(line.decode().strip())
        finally:
            process.kill()


class ClientNames:
    """Finds the host behind a port of this machine: Linux knows which process has which socket."""

    def __init__(self) -> None:
        self._hosts: dict[int, str] = {}
        self._own_port = 0

    def on_ready(self, base_url: str) -> None:
        """Learn where the simulator listens, and print it."""
        self._own_port = urlsplit(base_url).port or 0
        print(base_url, flush=True)  # noqa: T201 - for the process that started this one

    def find(self, port: int) -> str:
        """The host; `?`: its process has ended, or it is none."""
        socket = _find_socket(port, self._own_port)
        if socket is None:
            return "?"
        name = self._find_owner(socket)
        if name is None:
            self._hosts = _list_hosts()
            name = self._find_owner(socket)
        return name or "?"

    def _find_owner(self, socket: str) -> str | None:
        return next((host for pid, host in self._hosts.items() if socket in _list_files(pid)), None)


def _find_socket(port: int, to_port: int) -> str | None:
    """The socket of a connection between two ports, as a link in /proc names it. A port alone may have several."""
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1][-4:] == f"{port:04X}" and fields[2][-4:] == f"{to_port:04X}" and fields[9] != "0":
            return f"socket:[{fields[9]}]"
    return None


def _list_hosts() -> dict[int, str]:
    """Every daemon on this machine, by its process."""
    hosts = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (directory / "cmdline").read_bytes().split(b"\0")
            if b"run" in arguments and b"--config" in arguments:
                config = Path(arguments[arguments.index(b"--config") + 1].decode())
                hosts[int(directory.name)] = config.parent.name
    return hosts


def _list_files(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()))
    return found


async def run_process(path: Path) -> None:
    """Serve until standard input ends."""
    plan = read_plan(path)
    now = datetime.now(UTC)
    # The first statement takes half a second to be understood, in which no request would be seen to arrive.
    Practice(plan.offices[0].make_spec(now), WorldClock(now)).run_short_query("SELECT PatNum FROM patient")
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            names = ClientNames()
            await run_simulator(plan, "127.0.0.1:0", on_ready=names.on_ready, name_client=names.find)

        tasks.start_soon(serve)
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(run_process, Path(sys.argv[1]))
