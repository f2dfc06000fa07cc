"""A transport to headquarters that records every statement."""

import json
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.transport.httpx_transport import SimulatedTransport

CUSTOMER_KEY_PREFIX = "planted-customer-key-"


@dataclass(frozen=True)
class SentStatement:
    """One statement on its way out."""

    office_id: str
    at: datetime
    sql: str = field(repr=False)

    @property
    def is_packed(self) -> bool:
        return "GROUP_CONCAT" in self.sql

    @property
    def is_page(self) -> bool:
        return not self.is_packed and "AS Balance" in self.sql and "DateTStamp" not in self.sql

    @property
    def is_patch(self) -> bool:
        return "DateTStamp" in self.sql

    @property
    def is_control(self) -> bool:
        return not self.is_packed and "AS Checksum" in self.sql


class InjectedCrash(Exception):
    """What no office can cause."""


class RequestRecorder(SimulatedTransport):
    """One connection to headquarters.

    Args:
        headquarters: Answers.
        heard: Takes what was sent.
    """

    def __init__(self, headquarters: Headquarters, statements: list[SentStatement]) -> None:
        super().__init__(headquarters)
        self._headquarters = headquarters
        self._statements = statements

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        office_id = request.headers["Authorization"].rpartition("/")[2].removeprefix(CUSTOMER_KEY_PREFIX)
        if request.method == "PUT":
            sql = json.loads(await request.aread())["SqlCommand"]
            self._statements.append(SentStatement(office_id, self._headquarters.now().instant, sql))
        return await super().handle_async_request(request)
