"""The ten lines of the README, as they stand, with what the sink really sends."""

import gzip
import re
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from oddaemon.core.secret import Secret
from oddaemon.settings.values.sink_secrets import decode_signing_key
from oddaemon.sinks.payload import build_rows
from oddaemon.sinks.webhook import make_signature_headers, render_body
from tests.sinks.payloads import make_payload
from tests.sinks.webhook_receiver import SECRET

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
LINES_MAX = 12


def read_consumer_code() -> str:
    (code,) = re.findall(r"<!-- consumer: begin -->\n```python\n(.*?)```", README, re.DOTALL)
    return str(code)


def test_they_are_about_ten() -> None:
    assert len([line for line in read_consumer_code().splitlines() if line.strip()]) <= LINES_MAX


async def test_they_unpack_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    outputs: dict[str, Any] = {}
    exec(compile(read_consumer_code(), "README.md", "exec"), outputs)
    bomb = gzip.compress(b"0" * 2**28)
    transport = httpx.ASGITransport(outputs["app"], raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://consumer") as client:
        tracemalloc.start()
        try:
            answer = await client.post("/balances", content=bomb, headers={"webhook-id": "d1"})
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.status_code == 500
    assert peak_bytes < 2**28


@pytest.mark.parametrize("genuine", [True, False])
async def test_they_take_what_is_signed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, genuine: bool
) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    outputs: dict[str, Any] = {}
    exec(compile(read_consumer_code(), "README.md", "exec"), outputs)
    sent = make_payload(1)
    body = render_body(sent, "d1", build_rows(sent), 1, 1)
    headers = make_signature_headers(
        decode_signing_key(Secret(SECRET)), "d1", datetime.now(UTC), body if genuine else b"other"
    )
    transport = httpx.ASGITransport(outputs["app"], raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://consumer") as client:
        answer = await client.post("/balances", content=gzip.compress(body), headers=headers)
    assert answer.status_code == (204 if genuine else 500)
    assert (" 1 of 1 " in capsys.readouterr().out) is genuine
