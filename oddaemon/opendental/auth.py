"""The `Authorization` header of a request. No other code reveals a key to the API."""

from collections.abc import Generator
from dataclasses import dataclass

import httpx

from oddaemon.core.secret import Secret


@dataclass(frozen=True, slots=True)
class KeyAuth(httpx.Auth):
    """Authorizes requests with one pair of keys. No local variable holds a revealed key."""

    developer_key: Secret
    customer_key: Secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Write the header just before the request is sent."""
        request.headers["Authorization"] = f"ODFHIR {self.developer_key.reveal()}/{self.customer_key.reveal()}"
        yield request

    @property
    def secrets(self) -> tuple[Secret, Secret]:
        """What a server may echo and no failure may quote."""
        return self.developer_key, self.customer_key
