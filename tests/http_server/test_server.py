import json
import logging
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.reporting.status_document import OfficeStatus, StatusDocument, make_status_document
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.http_server.security_headers import FILE_HEADERS, HEADERS, PAGE_HEADERS
from oddaemon.http_server.server import ListenError, serve
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.app import create_app
from oddaemon.web.pages.routes import Pages
from tests.browser.sample_fleet import make_fleet
from tests.core.builders import make_published_snapshot
from tests.golden import GoldenTexts

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
MESA = Status(Condition.FRESH, NOW, "All true.")
ALBA = Status(Condition.BLOCKED, NOW, 'The server says: key "hunter2" is disabled.', Owner.OFFICE)
READY = Readiness(ready=True)
PAGES = ["/", "/runbook", f"/offices/{make_fleet(1).lines[0].id}"]
PATHS = [*PAGES, "/metrics", "/-/healthy", "/-/ready", "/api/status", "/api/offices/mesa"]


@dataclass
class FakeDaemon:
    """What the application looks at, as a daemon with two offices would show it."""

    readiness: Readiness = READY
    telemetry: Telemetry = field(
        default_factory=lambda: Telemetry(write=lambda _: None, now=lambda: NOW, version="0.1.0")
    )

    def get_statuses(self) -> list[OfficeStatus]:
        snapshot = make_published_snapshot(NOW.date(), NOW, 4132)
        return [OfficeStatus("mesa", "Mesa", MESA, snapshot=snapshot), OfficeStatus("alba", "Álba", ALBA)]

    def get_status(self) -> StatusDocument:
        return make_status_document(self.get_statuses(), NOW)

    def make_pages(self) -> Pages:
        return Pages(make_fleet(3), self.telemetry.redact, lambda: NOW)

    def create_app(self) -> ASGIApp:
        return create_app(
            telemetry=self.telemetry,
            office_metrics=self.get_statuses,
            readiness=lambda: self.readiness,
            status=self.get_status,
            pages=self.make_pages(),
        )


@asynccontextmanager
async def served_client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with anyio.create_task_group() as tasks:
        host, port = await tasks.start(serve, "127.0.0.1", 0, app)
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
            yield client
        tasks.cancel_scope.cancel()


async def test_metrics_are_for_prometheus() -> None:
    async with served_client(FakeDaemon().create_app()) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    [guarantors] = families["oddaemon_office_guarantors"].samples
    assert (guarantors.labels, guarantors.value) == ({"office": "mesa"}, 4132)


async def test_metrics_are_openmetrics_for_who_asks() -> None:
    async with served_client(FakeDaemon().create_app()) as client:
        answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_the_process_is_healthy_while_it_answers_though_it_is_not_ready(golden: GoldenTexts) -> None:
    daemon = FakeDaemon(readiness=Readiness(ready=False, reason="The store is locked by process 4711."))
    async with served_client(daemon.create_app()) as client:
        assert (await client.get("/-/healthy")).status_code == 200
        answer = await client.get("/-/ready")
        assert answer.status_code == 503
        golden.check(answer.text)
        daemon.readiness = Readiness(ready=True)
        assert (await client.get("/-/ready")).status_code == 200


async def test_status_is_the_document_of_the_contract() -> None:
    daemon = FakeDaemon()
    daemon.telemetry.add_secrets(["hunter2"])
    async with served_client(daemon.create_app()) as client:
        answer = await client.get("/api/status")
    assert answer.headers["content-type"] == "application/json"
    expected = json.loads(json.dumps(daemon.get_status()).replace("hunter2", "***"))
    assert answer.json() == expected
    assert answer.json()["summary"]["total"] == 2


async def test_one_office_is_one_element_of_it() -> None:
    daemon = FakeDaemon()
    async with served_client(daemon.create_app()) as client:
        answer = await client.get("/api/offices/mesa")
    assert answer.json() == daemon.get_status()["offices"][0]


async def test_a_missing_page_is_reported_in_one_line() -> None:
    async with served_client(FakeDaemon().create_app()) as client:
        for path in ("/api/offices/absent", "/nothing", "/metrics/", "/api", "/docs"):
            answer = await client.get(path)
            assert (path, answer.status_code) == (path, 404)
            assert answer.headers["content-type"].startswith("text/plain")
            assert answer.text.count("\n") == 1


async def test_the_page_links_to_what_is_there() -> None:
    async with served_client(FakeDaemon().create_app()) as client:
        page = (await client.get("/")).text
        links = {part.partition('"')[0].partition("#")[0] for part in re.split('(?:href|src)="', page)[1:]} - {""}
        assert {"/metrics", "/api/status"} < links
        for link in links:
            assert (link, (await client.get(unescape(link))).status_code) == (link, 200)


async def test_nothing_can_be_changed() -> None:
    async with served_client(FakeDaemon().create_app()) as client:
        for path in PATHS:
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                answer = await client.request(method, path)
                assert (method, path, answer.status_code) == (method, path, 405)
                assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_head_is_get_without_the_body() -> None:
    async with served_client(FakeDaemon().create_app()) as client:
        for path in PATHS:
            answer = await client.head(path)
            assert (path, answer.status_code, answer.content) == (path, 200, b"")
            assert int(answer.headers["content-length"]) > 0


async def test_every_answer_carries_careful_headers() -> None:
    async with served_client(FakeDaemon().create_app()) as client:
        for path in (*PATHS, "/nothing", "/static/page.css"):
            answer = await client.get(path)
            own = PAGE_HEADERS if path in PAGES else FILE_HEADERS if path.startswith("/static") else {}
            expected = HEADERS | own
            assert {name: answer.headers.get(name) for name in expected} == expected
            assert "server" not in answer.headers


async def test_an_error_of_ours_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def status() -> StatusDocument:
        raise KeyError("370.00")

    daemon = FakeDaemon()
    app = create_app(
        telemetry=daemon.telemetry,
        office_metrics=daemon.get_statuses,
        readiness=lambda: daemon.readiness,
        status=status,
        pages=daemon.make_pages(),
    )
    async with served_client(app) as client:
        answer = await client.get("/api/status")
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        assert answer.headers["cache-control"] == "no-store"
        assert (await client.get("/-/healthy")).status_code == 200
    assert [record.name for record in caplog.records if record.levelno >= logging.WARNING] == ["uvicorn.error.requests"]


async def test_stopping_is_prompt_and_silent_and_frees_the_port(caplog: pytest.LogCaptureFixture) -> None:
    with anyio.fail_after(120):
        async with served_client(FakeDaemon().create_app()) as client:
            await client.get("/-/healthy")
            port = client.base_url.port
            assert port is not None
            idle = await anyio.connect_tcp("127.0.0.1", port)
    async with idle:
        with pytest.raises(anyio.EndOfStream):
            await idle.receive()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_an_answer_in_the_making_is_still_given() -> None:
    asked, released = anyio.Event(), anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await released.wait()
        await PlainTextResponse("At last.")(scope, receive, send)

    answers: list[str] = []

    async def ask(address: tuple[str, int]) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            answers.append((await client.get(f"http://{address[0]}:{address[1]}/")).text)

    async with anyio.create_task_group() as clients, anyio.create_task_group() as tasks:
        clients.start_soon(ask, await tasks.start(serve, "127.0.0.1", 0, app))
        await asked.wait()
        tasks.cancel_scope.cancel()
        released.set()
    assert answers == ["At last."]


async def test_stopping_before_the_first_request_leaves_nothing_open() -> None:
    async with anyio.create_task_group() as tasks:
        _, port = await tasks.start(serve, "127.0.0.1", 0, FakeDaemon().create_app())
        tasks.cancel_scope.cancel()
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_signals_stay_with_the_daemon() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with served_client(FakeDaemon().create_app()) as client:
        await client.get("/-/healthy")
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_a_port_in_use_says_who_to_look_for_and_which_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError) as refused:
            await serve("127.0.0.1", port, FakeDaemon().create_app())
    for fact in (f"127.0.0.1:{port}: ", "is in use", f"`ss -ltnp 'sport = :{port}'`", "`[http] listen`"):
        assert fact in str(refused.value)


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "this machine has no such address"),
        ("fe80::1%no-such-link", "the host name cannot be resolved"),
        ("x" * 64, "the host name cannot be resolved"),
        ("2001:db8::1", r"Cannot listen on \[2001:db8::1\]:9464: "),
    ],
)
async def test_an_address_of_another_machine_is_refused_with_the_setting(host: str, why: str) -> None:
    with pytest.raises(ListenError, match=why) as refused:
        await serve(host, 9464, FakeDaemon().create_app())
    assert "`[http] listen`" in str(refused.value)
