"""What can be looked at on the control socket: JSON without keys, and nothing that changes anything."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import anyio
import httpx
import pytest

from oddaemon.admin.app import JOURNAL_ENTRIES, JOURNAL_ENTRIES_MAX
from oddaemon.admin.commands import reject_unknown_office
from oddaemon.core.model import Condition, Status
from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.telemetry.telemetry import Telemetry
from tests.golden import GoldenTexts
from tests.web.admin_app import make_admin_app

NOW = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
STATUS = Status(Condition.FRESH, NOW, "It is done.")


class SampleStatus:
    """Knows the office elm."""

    async def get_fleet(self) -> dict[str, object]:
        await anyio.lowlevel.checkpoint()
        return {"offices": [], "reason": 'The office said "planted-key".'}

    async def get_office(self, office_id: str, entries: int) -> dict[str, object]:
        await anyio.lowlevel.checkpoint()
        if office_id != "elm":
            raise reject_unknown_office(office_id, ["elm"])
        return {"id": office_id, "journal": entries, "reason": "planted-key"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    telemetry = Telemetry(write=lambda _: None, now=lambda: NOW, version="test")
    telemetry.add_secrets(["planted-key"])
    app = make_admin_app(
        status=SampleStatus(), telemetry=telemetry, office_metrics=lambda: (OfficeStatus("elm", "Elm", STATUS),)
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_the_fleet_is_shown_without_secrets(client: httpx.AsyncClient) -> None:
    answer = await client.get("/status")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"offices": [], "reason": 'The office said "***".'}


async def test_an_office_is_shown_with_as_much_of_its_journal_as_requested(client: httpx.AsyncClient) -> None:
    assert (await client.get("/offices/elm")).json() == {"id": "elm", "journal": JOURNAL_ENTRIES, "reason": "***"}
    for number in (0, 7, JOURNAL_ENTRIES_MAX):
        assert (await client.get(f"/offices/elm?journal={number}")).json()["journal"] == number


@pytest.mark.parametrize(
    "number", ["-1", "x", "1.5", str(JOURNAL_ENTRIES_MAX + 1), "9" * 500, "\N{ARABIC-INDIC DIGIT ONE}"]
)
async def test_a_number_that_is_none_is_refused(client: httpx.AsyncClient, number: str) -> None:
    answer = await client.get("/offices/elm", params={"journal": number})
    assert (answer.status_code, set(answer.json())) == (400, {"error", "advice"})


async def test_an_unknown_office_is_answered_with_the_nearest(client: httpx.AsyncClient, golden: GoldenTexts) -> None:
    near, far = await client.get("/offices/elms"), await client.get("/offices/%22%C3%A9")
    assert (near.status_code, near.json()["advice"]) == (404, "Did you mean `elm`?")
    assert far.status_code == 404
    golden.check(far.json()["advice"])


async def test_metrics_are_served_here_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'oddaemon_office_condition{condition="fresh",office="elm",owner=""} 1.0' in answer.text


@pytest.mark.parametrize("path", ["/status", "/offices/elm", "/metrics"])
async def test_inspection_takes_no_commands(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path)).status_code == 405
