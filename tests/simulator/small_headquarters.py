"""A small world on virtual time for the tests of headquarters: one practice, one key, whatever else a test asks."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.api.messages import ApiRequest, ApiResponse
from oddaemon.simulator.faults.faults import Fault, FaultSchedule, ScheduledFault
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice

BASE = datetime(2025, 3, 3, 18, 0, tzinfo=UTC)
DEVELOPER_KEY = "NFF6i0KrXrxDkZHt"
CUSTOMER_KEY = "VzkmZEaUWOjnQX2z"
HEADERS = {"authorization": f"ODFHIR {DEVELOPER_KEY}/{CUSTOMER_KEY}", "content-type": "application/json"}
EVERY_PAT_NUM = "SELECT PatNum FROM patient ORDER BY PatNum"


@dataclass
class SmallHeadquarters:
    headquarters: Headquarters

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> ApiResponse:
        request = ApiRequest("GET", f"/api/v1/{path}", query or {}, {**HEADERS, **(headers or {})})
        return await self.headquarters.handle(request)

    async def short_query(self, sql: object, **query: str) -> ApiResponse:
        body = json.dumps({"SqlCommand": sql}).encode()
        return await self.headquarters.handle(ApiRequest("PUT", "/api/v1/queries/ShortQuery", query, HEADERS, body))

    def get_practice(self, office_id: str = "brookside") -> Practice:
        return self.headquarters.practices[office_id]


def make_headquarters(
    *faults: Fault | ScheduledFault,
    key: ApiKey | None = None,
    options: HeadquartersOptions | None = None,
    spec: PracticeSpec | None = None,
    neighbours: Iterable[PracticeSpec] = (),
) -> SmallHeadquarters:
    clock = WorldClock(BASE)
    spec = spec or PracticeSpec("brookside", seed=7, guarantors=150, settled=50)
    return SmallHeadquarters(
        Headquarters(
            clock,
            [Practice(each, clock) for each in (spec, *neighbours)],
            [key or ApiKey(CUSTOMER_KEY, "brookside")],
            options or HeadquartersOptions(developer_key=DEVELOPER_KEY),
            FaultSchedule(1, [each if isinstance(each, ScheduledFault) else ScheduledFault(each) for each in faults]),
        )
    )


def parse_json(answer: ApiResponse) -> Any:
    return json.loads(answer.body)
