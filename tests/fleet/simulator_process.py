"""Headquarters as a process of its own, with an address for each host, so that its log knows who sent a request.

python -m tests.fleet.simulator_process PLAN.json ADDRESSES

It ends with its standard input, so it never outlives the test.
"""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import anyio.to_thread
import httpx
import msgspec

from oddaemon.simulator.api.messages import API_PREFIX, Endpoint
from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from oddaemon.simulator.plan.plan_file import read_plan
from oddaemon.simulator.process import run_simulator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class SimulatorProcess:
    """The running simulator."""

    base_urls: Sequence[str]

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
        url = self.base_urls[0].removesuffix(API_PREFIX) + path
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
async def simulator_process(
    plan: Mapping[str, Any], directory: Path, addresses: int
) -> AsyncIterator[SimulatorProcess]:
    """A simulator of this plan for the length of the block.

    Args:
        plan: As in a plan file.
        directory: Where the plan is written.
        addresses: How many it listens on.
    """
    path = directory / "plan.json"
    path.write_bytes(msgspec.json.encode(plan))
    command = [sys.executable, "-m", "tests.fleet.simulator_process", str(path), str(addresses)]
    async with await anyio.open_process(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=None) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            line = b""
            while not line.endswith(b"\n"):
                line += await process.stdout.receive()
            yield SimulatorProcess(json.loads(line))
        finally:
            process.kill()


async def run_process(path: Path, addresses: int) -> None:
    """Serve until standard input ends."""
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            listen = ["127.0.0.1:0"] * addresses
            await run_simulator(read_plan(path), *listen, on_ready=lambda *urls: print(json.dumps(urls), flush=True))  # noqa: T201

        tasks.start_soon(serve)
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(run_process, Path(sys.argv[1]), int(sys.argv[2]))
