"""The control API, with which a demo or a bench controls the world. It uses the same port as the simulated API.

    GET  /-/healthy                  the world runs
    GET  /-/offices                  each office: its spec, its aging runs, its planted faults
    POST /-/offices/ID/true          {"include": "all", "clinics": [], "balances": [[9 integers, in cents], ...]}: the
                                     interval in which this was the office's table, or the differences
    POST /-/offices/ID/aging         runs aging now, as a user can, and responds when it is over
    GET  /-/requests                 every completed exchange, in the order of completion
    GET  /-/traffic                  counts and all violations; the agreed limits are in the query string
    POST /-/faults                   plants a fault, as in a plan; DELETE removes all faults

It has no authentication, so the server must listen only on loopback. It never shows a key.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import Enum

from pydantic import AwareDatetime

from oddaemon.simulator.api.messages import ApiRequest, ApiResponse
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.traffic_log import find_violations
from oddaemon.simulator.model.balances import Include, TrueBalance
from oddaemon.simulator.plan.fault_plan import parse_fault
from oddaemon.simulator.plan.plan_values import PlanError, parse_table
from oddaemon.simulator.practice.aging_run import AgingInProgressError
from oddaemon.simulator.practice.practice import Practice

PREFIX = "/-/"
SHOWN_MAX = 20
"""How many differences or violations are listed; all are counted."""


class ControlApi:
    """Answers requests under `/-/` and passes all others to headquarters."""

    def __init__(self, headquarters: Headquarters) -> None:
        self._headquarters = headquarters

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answer one request; without delay on the control API's own routes."""
        if not request.path.startswith(PREFIX):
            return await self._headquarters.handle(request)
        try:
            found = await self._run_aging(request) or self._handle_command(request)
        except (PlanError, ValueError, AgingInProgressError) as error:
            return _make_json_response(400, {"error": str(error)})
        return (
            _make_json_response(404, {"error": "no such route or office"})
            if found is None
            else _make_json_response(200, found)
        )

    async def _run_aging(self, request: ApiRequest) -> object:
        """None: the request is about something else."""
        match request.method, request.path.removeprefix(PREFIX).split("/"):
            case "POST", ["offices", office_id, "aging"] if office_id in self._headquarters.practices:
                aging = self._headquarters.practices[office_id].aging
                await aging.run()
                return {"aging_run": asdict(aging.runs[-1])}
        return None

    def _handle_command(self, request: ApiRequest) -> object:
        practices, faults = self._headquarters.practices, self._headquarters.faults
        found: object = None
        match request.method, request.path.removeprefix(PREFIX).split("/"):
            case "GET", ["healthy"]:
                found = {"healthy": True, "seconds": self._headquarters.now().seconds}
            case "GET", ["offices"]:
                found = {"offices": [self._describe_office(practice) for practice in practices.values()]}
            case "GET", ["requests"]:
                found = {"requests": [asdict(record) for record in self._headquarters.traffic]}
            case "GET", ["traffic"]:
                found = self._describe_traffic(request.query)
            case "POST", ["offices", office_id, "true"] if office_id in practices:
                found = _check_claim(practices[office_id], _parse_body(request))
            case "POST", ["faults"]:
                fault = parse_fault(_parse_body(request), practices, "fault")
                faults.schedule(fault)
                found = {"planted": fault.describe()}
            case "DELETE", ["faults"]:
                faults.clear()
                found = {"planted": None}
        return found

    def _describe_office(self, practice: Practice) -> dict[str, object]:
        faults = self._headquarters.faults.list_for_office(practice.spec.office_id)
        return {
            "id": practice.spec.office_id,
            "spec": asdict(practice.spec),
            "aging_runs": [asdict(run) for run in practice.aging.runs],
            "faults": [each.describe() for each in faults],
        }

    def _describe_traffic(self, limits: Mapping[str, str]) -> dict[str, object]:
        log = self._headquarters.traffic
        found = find_violations(
            log,
            max_in_flight=int(limits["max_in_flight"]) if "max_in_flight" in limits else None,
            max_requests_per_second=_parse_number(limits, "max_requests_per_second"),
            retry_after_max_seconds=_parse_number(limits, "retry_after_max_seconds") or math.inf,
            tolerance_seconds=_parse_number(limits, "tolerance_seconds") or 0.001,
        )
        return {
            "requests": len(log),
            "in_flight": self._headquarters.in_flight,
            "by_kind": Counter(request.kind.value for request in log),
            "by_status": Counter(str(exchange.status) for exchange in log),
            "by_office": Counter(exchange.office_id for exchange in log),
            "violations": len(found),
            "violations_by_kind": Counter(violation.kind.value for violation in found),
            "first_violations": [str(violation) for violation in found[:SHOWN_MAX]],
        }


@dataclass(frozen=True)
class _Claim:
    """Balances that a client claims for an office."""

    balances: tuple[tuple[int, int, int, int, int, int, int, int, int], ...]
    include: Include = "all"
    clinics: tuple[int, ...] = ()
    since: AwareDatetime | None = None


def _check_claim(practice: Practice, body: Mapping[str, object]) -> dict[str, object]:
    claim = parse_table(_Claim, body, "body")
    balances = [TrueBalance(*numbers) for numbers in claim.balances]
    if period := practice.balances.find_true_interval(balances, claim.include, claim.clinics, claim.since):
        return {"true": True, "from": period[0], "to": period[1]}
    return {
        "true": False,
        "differences": _compare_balances(balances, practice.balances.get_true_balances(claim.include, claim.clinics)),
    }


def _compare_balances(claimed: Sequence[TrueBalance], true: Sequence[TrueBalance]) -> dict[str, object]:
    """The differences between the claim and the present table, which is the nearest possible comparison."""
    ours = {balance.pat_num: balance for balance in claimed}
    theirs = {balance.pat_num: balance for balance in true}
    differing = [pat_num for pat_num in sorted(ours.keys() | theirs.keys()) if ours.get(pat_num) != theirs.get(pat_num)]
    return {
        "claimed_rows": len(claimed),
        "true_rows": len(true),
        "repeated_rows": len(claimed) - len(ours),
        "differing_rows": len(differing),
        "first": [{"claimed": ours.get(pat_num), "true": theirs.get(pat_num)} for pat_num in differing[:SHOWN_MAX]],
    }


def _parse_body(request: ApiRequest) -> Mapping[str, object]:
    body = json.loads(request.body or b"null")
    if not isinstance(body, dict):
        raise PlanError("body: must be a JSON object")
    return body


def _parse_number(limits: Mapping[str, str], name: str) -> float | None:
    return float(limits[name]) if name in limits else None


def _make_json_response(status: int, value: object) -> ApiResponse:
    body = json.dumps(value, default=_to_json_value).encode()
    return ApiResponse(status, (("content-type", "application/json; charset=utf-8"),), body)


def _to_json_value(value: object) -> str:
    match value:
        case date():  # a datetime, too
            return value.isoformat()
        case Enum():
            return str(value.value)
    return str(value)
