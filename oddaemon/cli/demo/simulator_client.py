"""HTTP requests of the demo: to the simulator's control API, which knows the true balances, and to the daemon."""

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread

from oddaemon.core.model import Balance, OfficeSpec
from oddaemon.settings import Settings

TIMEOUT_SECONDS = 30.0

Runs = Mapping[date, datetime]
"""When each aging run of an office was completed, by its aging date."""


@dataclass(frozen=True, slots=True)
class TrafficStats:
    """The simulator's record of the daemon's requests."""

    requests: int
    violations: int
    """Of a rule of a key, or of the caps over all keys, by the simulator's clock and without a tolerance."""
    first_violation: str
    """The first of them, as text."""


class SimulatorClient:
    """Client of the simulator's control API at `address`, a HOST:PORT."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def fetch_completed_runs(self) -> dict[str, Runs]:
        """Completed aging runs since the start, by office id."""
        found = await self._request("GET", "/-/offices")
        return {
            office["id"]: {
                date.fromisoformat(run["aging_date"]): datetime.fromisoformat(run["finished_at"])
                for run in office["aging_runs"]
                if run["outcome"] == "completed"
            }
            for office in found["offices"]
        }

    async def compare_balances(self, office: OfficeSpec, balances: Sequence[Balance], since: datetime | None) -> str:
        """How these balances differ from the office's table at every instant from `since` on; empty: they do not."""
        claim = {
            "balances": balances,
            "include": office.include.value,
            "clinics": office.clinics,
            "since": None if since is None else since.isoformat(),
        }
        result = await self._request("POST", f"/-/offices/{office.id}/true", claim)
        if result["true"]:
            return ""
        rows = result["differences"]["differing_rows"]
        return f"{rows} rows differ from the office's table" if rows else "it is outdated"

    async def fetch_traffic(self, settings: Settings) -> TrafficStats:
        """All requests so far, and their violations of the limits in these settings."""
        limits = {
            "max_in_flight": settings.api.max_in_flight,
            "max_requests_per_second": settings.api.max_requests_per_second,
            "retry_after_max_seconds": next(iter(settings.offices.values())).spec.cadence.retry_after_max_seconds,
            "tolerance_seconds": 0.0,
        }
        found = await self._request("GET", f"/-/traffic?{urlencode(limits)}")
        return TrafficStats(found["requests"], found["violations"], next(iter(found["first_violations"]), ""))

    async def _request(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON of any shape
        status, text = await fetch(self._address, method, path, None if body is None else json.dumps(body))
        if status != http.HTTPStatus.OK:
            raise ConnectionError(f"the simulator's control API answered {status} to {method} {path}: {text[:200]}")
        return json.loads(text)


async def fetch(address: str, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    """Send one HTTP request to a HOST:PORT of this machine; status and body.

    Raises:
        OSError: There is no response.
    """
    return await anyio.to_thread.run_sync(_send_request, address, method, path, body)


def _send_request(address: str, method: str, path: str, body: str | None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{address} sent no complete response to {method} {path}") from error
    finally:
        connection.close()
