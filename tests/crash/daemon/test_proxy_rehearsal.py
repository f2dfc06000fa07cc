"""A real daemon behind a company's proxy: it publishes and delivers, and no trouble of the proxy is anyone else's."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from oddaemon.simulator.api.messages import API_PREFIX
from oddaemon.simulator.plan.daemon_config import render_toml
from oddaemon.simulator.transport.proxy import ConnectProxy
from tests.certificates import make_server_context
from tests.crash import daemon_process
from tests.crash.change_signal import ChangeSignal
from tests.crash.environment import Environment, crash_environment
from tests.crash.scenarios import Scenario, find_noon_zone, make_scenarios
from tests.sinks.webhook_receiver import SECRET, WebhookReceiver

pytestmark = pytest.mark.real("starts the daemon as a process, behind a proxy on a real socket")

CREDENTIALS = "daemon:planted-proxy-password"
TROUBLES: dict[str, dict[str, Any]] = {
    "wants another password": {"credentials": "daemon:other"},
    "answers 502": {"refusal": 502},
    "says nothing": {"greeting": b""},
    "speaks no HTTP": {"greeting": b"\x00\xff\r\n\r\n"},
    "closes while TLS begins": {"cut_after_bytes": 100},
    "closes in the middle": {"cut_after_bytes": 1200},
}
every_trouble = pytest.mark.parametrize("trouble", TROUBLES)


@pytest.fixture(autouse=True)
def _trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(daemon_process.ENVIRONMENT, "SSL_CERT_FILE", str(certificate / "certificate.pem"))


@asynccontextmanager
async def tls_in_front(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Passes on what comes over TLS to a port without it; yields its own port."""

    async def copy(source: ByteStream, target: ByteStream, connection: anyio.CancelScope) -> None:
        try:
            async for chunk in source:
                await target.send(chunk)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        connection.cancel()

    async def serve(client: ByteStream) -> None:
        async with client, await anyio.connect_tcp("127.0.0.1", port) as server, anyio.create_task_group() as tasks:
            tasks.start_soon(copy, server, client, tasks.cancel_scope)
            await copy(client, server, tasks.cancel_scope)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(TLSListener(listener, context, standard_compatible=False).serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


def get_scenario() -> Scenario:
    return make_scenarios(find_noon_zone())["statement"]


@asynccontextmanager
async def behind_proxy(directory: Path, certificate: Path, proxy: ConnectProxy) -> AsyncIterator[Environment]:
    """Headquarters over TLS, which the daemon reaches through the proxy."""
    async with crash_environment(get_scenario(), directory) as built:
        port = int(built.base_url.removesuffix(API_PREFIX).rpartition(":")[2])
        async with tls_in_front(port, make_server_context(certificate)) as secure, proxy.listening() as proxy_port:
            built.base_url = f"https://127.0.0.1:{secure}{API_PREFIX}"
            way_out = f"http://{CREDENTIALS}@127.0.0.1:{proxy_port}"
            built.configure(api={"proxy_url": way_out, "connect_timeout_seconds": 0.5, "request_timeout_seconds": 20})
            yield built


async def test_a_daemon_behind_a_proxy_publishes_and_the_proxy_sees_no_key(tmp_path: Path, certificate: Path) -> None:
    proxy = ConnectProxy(CREDENTIALS)
    async with behind_proxy(tmp_path, certificate, proxy) as built, built.running_daemon() as daemon:
        await daemon.wait_for_event("snapshot_published")
        assert daemon.find_events("failure_seen") == []
    assert set(proxy.tunnels) == {built.base_url.removeprefix("https://").removesuffix(API_PREFIX)}
    assert built.scenario.offices[0].key.customer_key.encode() not in proxy.seen


@every_trouble
async def test_a_proxy_in_trouble_is_ours_and_never_the_vendors_or_the_offices(
    tmp_path: Path, certificate: Path, trouble: str
) -> None:
    proxy = ConnectProxy(**{"credentials": CREDENTIALS, **TROUBLES[trouble]})
    async with behind_proxy(tmp_path, certificate, proxy) as built, built.running_daemon() as daemon:
        failure = await daemon.wait_for_event("failure_seen")
        assert failure["owner"] == "us"
        assert failure["kind"] == ("proxy_connection_lost" if "cut_after_bytes" in TROUBLES[trouble] else "proxy")
        assert not any("planted-proxy-password" in str(line) for line in daemon.lines)
        assert daemon.find_events("headquarters_down") == []


@asynccontextmanager
async def delivering_through(
    directory: Path, certificate: Path, proxy: ConnectProxy, receiver: WebhookReceiver
) -> AsyncIterator[tuple[Environment, ChangeSignal]]:
    """Headquarters without a proxy, and a receiver of webhooks that is reached through one."""
    async with (
        crash_environment(get_scenario(), directory) as built,
        receiver.listening(make_server_context(certificate)) as url,
        proxy.listening() as port,
    ):
        retries = {"backoff_base_seconds": 0.1, "backoff_max_seconds": 0.2, "timeout_seconds": 2}
        way_out = f"http://{CREDENTIALS}@127.0.0.1:{port}"
        table = {"name": "hook", "kind": "webhook", "url": url, "secret": SECRET, "proxy_url": way_out, **retries}
        with built.config.open("a", encoding="utf-8") as file:
            file.write(render_toml({"sink": [table]}))
        yield built, built.changes


@every_trouble
async def test_a_delivery_waits_for_the_proxy_and_the_receiver_is_not_blamed(
    tmp_path: Path, certificate: Path, trouble: str
) -> None:
    proxy, receiver = ConnectProxy(**{"credentials": CREDENTIALS, **TROUBLES[trouble]}), WebhookReceiver()
    async with (
        delivering_through(tmp_path, certificate, proxy, receiver) as (built, _),
        built.running_daemon() as daemon,
    ):
        failed = await daemon.wait_for_event("delivery_attempt_failed")
        assert ("proxy" in failed["reason"], "planted" in failed["reason"]) == (True, False)
        proxy.credentials, proxy.refusal, proxy.greeting, proxy.cut_after_bytes = CREDENTIALS, None, None, None
        await daemon.wait_for_event("delivery_succeeded")
    assert len(receiver.applied) == 1
