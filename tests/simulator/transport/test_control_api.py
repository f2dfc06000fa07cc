import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from oddaemon.simulator.api.messages import ApiRequest
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.plan.plan_file import parse_plan
from oddaemon.simulator.process import run_simulator
from oddaemon.simulator.transport.control_api import ControlApi
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.simulator.small_headquarters import BASE, CUSTOMER_KEY, HEADERS, SmallHeadquarters, make_headquarters


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"loop_factory": make_virtual_loop})


@pytest.fixture
async def simulated() -> SmallHeadquarters:
    return make_headquarters(spec=PracticeSpec("brookside", seed=7, guarantors=20, clinics=3))


async def send_request(
    simulated: SmallHeadquarters, method: str, path: str, body: object = None, **query: str
) -> tuple[int, dict[str, Any]]:
    request = ApiRequest(method, path, query, HEADERS, json.dumps(body).encode())
    answer = await ControlApi(simulated.headquarters).handle(request)
    return answer.status, json.loads(answer.body)


async def test_the_world_is_healthy(simulated: SmallHeadquarters) -> None:
    assert await send_request(simulated, "GET", "/-/healthy") == (200, {"healthy": True, "seconds": 0.0})


async def test_the_control_api_forwards_other_paths_to_headquarters(simulated: SmallHeadquarters) -> None:
    request = ApiRequest("GET", "/api/v1/preferences", {"PrefName": "DateLastAging"}, HEADERS)
    assert (await ControlApi(simulated.headquarters).handle(request)).status == 200
    assert len(simulated.headquarters.traffic) == 1


async def test_offices_are_listed_with_runs_and_faults_and_without_keys(simulated: SmallHeadquarters) -> None:
    await simulated.get_practice().aging.run()
    await send_request(simulated, "POST", "/-/faults", {"kind": "econnector_down", "offices": ["brookside"]})
    status, found = await send_request(simulated, "GET", "/-/offices")
    assert status == 200
    [office] = found["offices"]
    assert office["id"] == office["spec"]["office_id"] == "brookside"
    assert office["aging_runs"][0]["outcome"] == "completed"
    assert office["aging_runs"][0]["started_at"] == BASE.isoformat()
    assert office["faults"] == ["EConnectorDown() for brookside"]
    assert CUSTOMER_KEY not in json.dumps(found)


async def test_a_true_claim_is_confirmed_with_its_time(simulated: SmallHeadquarters) -> None:
    claim = {"balances": simulated.get_practice().balances.get_true_balances()}
    status, verdict = await send_request(simulated, "POST", "/-/offices/brookside/true", claim)
    assert (status, verdict["true"]) == (200, True)
    assert verdict["from"] <= verdict["to"]


@pytest.mark.parametrize("include", ["all", "debts"])
async def test_a_claim_is_judged_under_its_own_filter(simulated: SmallHeadquarters, include: Any) -> None:
    balances = simulated.get_practice().balances.get_true_balances(include, [1])
    assert len(balances) < len(simulated.get_practice().balances.get_true_balances())
    claim = {"include": include, "clinics": [1], "balances": balances}
    assert (await send_request(simulated, "POST", "/-/offices/brookside/true", claim))[1]["true"]
    del claim["clinics"]
    assert not (await send_request(simulated, "POST", "/-/offices/brookside/true", claim))[1]["true"]


async def test_a_false_claim_is_reported_with_its_difference(simulated: SmallHeadquarters) -> None:
    missing, invalid, *rest = simulated.get_practice().balances.get_true_balances()
    claim = {"balances": [invalid._replace(bal_total=invalid.bal_total + 1), *rest]}
    _, verdict = await send_request(simulated, "POST", "/-/offices/brookside/true", claim)
    assert not verdict["true"]
    assert verdict["differences"]["differing_rows"] == 2
    assert verdict["differences"]["first"] == [
        {"claimed": None, "true": list(missing)},
        {"claimed": [*invalid[:-1], invalid.bal_total + 1], "true": list(invalid)},
    ]


async def test_traffic_is_counted_and_judged(simulated: SmallHeadquarters) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(simulated.get, "preferences")
    _, found = await send_request(simulated, "GET", "/-/traffic", max_in_flight="2")
    assert found["requests"] == 3
    assert found["by_kind"] == {"preferences": 3}
    assert found["by_status"] == {"200": 3}
    assert found["violations"] == 2 + 2 + 1
    assert any("another was unanswered" in text for text in found["first_violations"])


async def test_faults_are_scheduled_and_removed(simulated: SmallHeadquarters) -> None:
    status, found = await send_request(simulated, "POST", "/-/faults", {"kind": "gateway_error", "status": 503})
    assert (status, found) == (200, {"planted": "GatewayError(status=503) for every office"})
    assert (await simulated.get("preferences")).status == 503
    await send_request(simulated, "DELETE", "/-/faults")
    assert (await simulated.get("preferences")).status == 200


async def test_aging_runs_when_it_is_asked_for_and_not_twice_at_once(simulated: SmallHeadquarters) -> None:
    async with anyio.create_task_group() as tasks:
        answers: list[tuple[int, Any]] = []

        async def run_aging() -> None:
            answers.append(await send_request(simulated, "POST", "/-/offices/brookside/aging"))

        tasks.start_soon(run_aging)
        tasks.start_soon(run_aging)
    (refused, _), (status, found) = answers
    assert (refused, status, found["aging_run"]["outcome"]) == (400, 200, "completed")
    assert len(simulated.get_practice().aging.runs) == 1


async def test_every_exchange_is_listed_without_a_key(simulated: SmallHeadquarters) -> None:
    await simulated.get("preferences")
    _, found = await send_request(simulated, "GET", "/-/requests")
    (request,) = found["requests"]
    assert (request["office_id"], request["kind"], request["status"]) == ("brookside", "preferences", 200)
    assert CUSTOMER_KEY not in str(found)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/-/faults", {"kind": "fire"}, 400),
        ("POST", "/-/faults", [], 400),
        ("POST", "/-/offices/brookside/true", {"balances": [[1, 2]]}, 400),
        ("POST", "/-/offices/brookside/true", {"balances": [], "include": "some"}, 400),
        ("POST", "/-/offices/unknown/true", {"balances": []}, 404),
        ("GET", "/-/nothing", None, 404),
        ("PUT", "/-/healthy", None, 404),
    ],
)
async def test_what_the_control_api_cannot_do_it_says(
    simulated: SmallHeadquarters, method: str, path: str, body: object, status: int
) -> None:
    document, found = await send_request(simulated, method, path, body)
    assert document == status
    assert isinstance(found["error"], str)


class TestProcess:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def base_url(self) -> AsyncIterator[str]:
        plan = parse_plan(
            {
                "seed": 3,
                "headquarters": {"base_seconds": 0.0},
                "office": [{"id": "brookside", "guarantors": 5, "settled": 0, "customer_key": CUSTOMER_KEY}],
            }
        )
        urls: list[str] = []
        ready = anyio.Event()

        def record_url(url: str) -> None:
            urls.append(url)
            ready.set()

        async with anyio.create_task_group() as tasks:
            name_client = "port {}".format
            tasks.start_soon(lambda: run_simulator(plan, "127.0.0.1:0", on_ready=record_url, name_client=name_client))
            await ready.wait()
            yield urls[0]
            tasks.cancel_scope.cancel()

    async def test_a_world_runs_as_a_process_and_answers_on_its_port(self, base_url: str) -> None:
        headers = {**HEADERS, "authorization": f"ODFHIR simulated-developer-key/{CUSTOMER_KEY}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            preferences = await client.get(f"{base_url}/preferences", headers=headers)
            healthy = await client.get(base_url.replace("/api/v1", "/-/healthy"))
            listed = await client.get(base_url.replace("/api/v1", "/-/requests"))
        assert preferences.status_code == 200
        assert healthy.json()["healthy"]
        assert [each["client"][:5] for each in listed.json()["requests"]] == ["port "]

    @pytest.mark.parametrize("listen", ["8080", "127.0.0.1", "127.0.0.1:http"])
    async def test_an_address_that_cannot_be_read_is_an_error(self, listen: str) -> None:
        with pytest.raises(ValueError, match="write HOST:PORT"):
            await run_simulator(parse_plan({}), listen, on_ready=lambda _: None)
