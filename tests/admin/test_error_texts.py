"""An error text that quotes a patient and looks like a secret is seen by `explain` on the control socket alone."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio.to_thread
import httpx

from oddaemon.admin.app import create_admin_app
from oddaemon.core.model import Condition
from oddaemon.simulator.faults.faults import OtherBody
from tests.engine.night import SMILE, night, schedule_fault
from tests.golden import GoldenTexts

PATIENT = "PatNum 4711 Smith, Ann owes 1234.56"
KEY_HINT = 'ODFHIR {DeveloperKey}/{CustomerKey}"'
TEXT = (
    f"Truncated incorrect DOUBLE value: '{PATIENT}', account 98765. The Authorization header must look like "
    f'"{KEY_HINT}. See "https://kb.example.com/article?id=5".'
)


def dump_database(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return "".join(connection.iterdump())


async def test_a_patient_in_an_error_text_reaches_nothing_but_explain(tmp_path: Path, golden: GoldenTexts) -> None:
    fault = OtherBody(json.dumps(TEXT), status=400)
    async with night(tmp_path, [SMILE], faults=[schedule_fault(fault)]) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        daemon = world.daemon
        golden.check(world.get_status().reason)

        public = httpx.AsyncClient(transport=httpx.ASGITransport(daemon.create_web_app()), base_url="http://127.0.0.1")
        shown = [(await public.get(path)).text for path in ("/", "/api/status", "/api/offices/smile", "/offices/smile")]
        assert all(isinstance(json.loads(text), dict) for text in shown[1:3])
        log = json.dumps(world.lines)
        stored = await anyio.to_thread.run_sync(dump_database, world.settings.state.path)
        for text in (*shown, log, stored, world.render_metrics()):
            assert [part for part in ("4711", "Smith", "1234", "98765", "{CustomerKey}", "id=5") if part in text] == []

        admin = create_admin_app(daemon.admin, daemon._telemetry, daemon.fleet.get_statuses)
        private = httpx.AsyncClient(transport=httpx.ASGITransport(admin), base_url="http://127.0.0.1")
        explained = (await private.get("/offices/smile")).json()
        assert PATIENT in explained["error_text"]
        assert PATIENT not in explained["reason"]
