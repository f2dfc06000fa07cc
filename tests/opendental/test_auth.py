"""Keys stay secrets until the header is written."""

from types import TracebackType

import httpx
import pytest

from oddaemon.opendental.client import ApiError
from tests.opendental.client_harness import (
    AUTHORIZATION,
    CUSTOMER_KEY,
    DEVELOPER_KEY,
    ScriptedServer,
    make_harness,
    make_response,
)


class _FailingTransport(httpx.AsyncBaseTransport):
    """Raises on every request, after it has kept the header."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.authorizations: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.authorizations.append(request.headers["Authorization"])
        raise self._error


def find_leaks(traceback: TracebackType | None) -> list[str]:
    """The local variables of a traceback's frames that show a key."""
    leaks = []
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        if frame.f_globals["__name__"] != __name__:
            leaks += [
                f"{frame.f_code.co_qualname if hasattr(frame.f_code, 'co_qualname') else frame.f_code.co_name}: {name}"
                for name, value in frame.f_locals.items()
                if DEVELOPER_KEY in repr(value) or CUSTOMER_KEY in repr(value)
            ]
    return leaks


async def test_no_local_variable_on_the_way_to_the_transport_holds_a_key() -> None:
    transport = _FailingTransport(RuntimeError("planted"))
    with pytest.raises(ApiError) as caught:
        async with make_harness(lambda: transport).office.session() as session:
            await session.query("SELECT 1 AS One", list)
    assert transport.authorizations == [AUTHORIZATION]
    assert find_leaks(caught.value.__traceback__) == []
    assert caught.value.unforeseen is not None
    assert find_leaks(caught.value.unforeseen.__traceback__) == []


@pytest.mark.parametrize("error", [httpx.ConnectError("planted"), OSError("planted")], ids=["httpx", "system"])
async def test_no_local_variable_of_a_failed_request_holds_a_key(error: Exception) -> None:
    transport = _FailingTransport(error)
    with pytest.raises(ApiError) as caught:
        async with make_harness(lambda: transport).office.session() as session:
            await session.query("SELECT 1 AS One", list)
    assert find_leaks(caught.value.__traceback__) == find_leaks(error.__traceback__) == []


async def test_no_local_variable_of_a_rejected_request_holds_a_key() -> None:
    site = ScriptedServer(make_response("no", 401))
    with pytest.raises(ApiError) as caught:
        async with make_harness(site.make_transport).office.session() as session:
            await session.query("SELECT 1 AS One", list)
    assert find_leaks(caught.value.__traceback__) == []
