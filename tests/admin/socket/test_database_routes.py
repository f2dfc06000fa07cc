"""What takes a while is begun on the control socket and looked at there."""

import os
from pathlib import Path

import anyio
import httpx
import pytest

from oddaemon.admin.app import serve_control
from oddaemon.admin.commands import CommandRejected, Document, RejectionKind
from oddaemon.store.errors import DatabaseDamaged
from tests.web.admin_app import make_admin_app


class FakeDatabaseCommands:
    """Has finished every job at the second look."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.polls = 0

    @property
    def jobs(self) -> "FakeDatabaseCommands":
        return self

    async def forget(self, office: str, uid: int | None) -> str:
        return await self._record_call("forget", office, uid)

    async def prune(self, days: int | None, uid: int | None) -> str:
        return await self._record_call("prune", days, uid)

    async def vacuum(self, uid: int | None) -> str:
        return await self._record_call("vacuum", uid)

    async def get_status(self, order: str, office: str) -> Document:
        await anyio.lowlevel.checkpoint()
        if not self.calls:
            raise CommandRejected(RejectionKind.NOT_FOUND, f"No {order} was started.")
        self.polls += 1
        found = {"outcome": f"{order} {office}"} if self.polls > 1 else None
        return {"outcome": "done" if found else "in_progress", "result": found}

    async def _record_call(self, *call: object) -> str:
        await anyio.lowlevel.checkpoint()
        self.calls.append(call)
        return "Done."


@pytest.mark.parametrize(
    ("target", "given", "found"),
    [
        ("/offices/elm/forget", ("forget", "elm"), "forget elm"),
        ("/state/prune", ("prune", None), "prune "),
        ("/state/prune?older_than_days=90", ("prune", 90), "prune "),
        ("/state/vacuum", ("vacuum",), "vacuum "),
    ],
)
async def test_a_job_is_started_and_polled_until_it_is_over(
    tmp_path: Path, target: str, given: tuple[object, ...], found: str
) -> None:
    keeper, path = FakeDatabaseCommands(), tmp_path / "c.sock"
    async with anyio.create_task_group() as tasks:
        await tasks.start(serve_control, path, make_admin_app(database=keeper))
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get(target)).status_code == 404
            begun = await client.post(target)
            assert (begun.status_code, begun.json()["outcome"]) == (200, "Done.")
            assert (await client.get(target)).json() == {"outcome": "in_progress", "result": None}
            assert (await client.get(target)).json() == {"outcome": "done", "result": {"outcome": found}}
            for days in ("0", "-1", "1.5", "007", "\u0663", "x", "9" * 400):
                refused = await client.post("/state/prune", params={"older_than_days": days})
                assert (refused.status_code, "number" in refused.json()["error"]) == (400, True)
        tasks.cancel_scope.cancel()
    assert keeper.calls == [(*given, os.getuid())]


class DamagedBackfills:
    async def list_jobs(self) -> Document:
        await anyio.lowlevel.checkpoint()
        raise DatabaseDamaged("oddaemon.db")


async def test_a_database_that_cannot_be_read_is_reported_to_the_client(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    async with anyio.create_task_group() as tasks:
        await tasks.start(serve_control, path, make_admin_app(backfill=DamagedBackfills()))
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            refused = await client.get("/backfills")
        tasks.cancel_scope.cancel()
    error = DatabaseDamaged("oddaemon.db")
    assert (refused.status_code, refused.json()) == (409, {"error": error.what, "advice": error.advice})
