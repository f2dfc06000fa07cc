"""Takes the target of a redirect out of a response before httpx looks at it.

httpx builds the next request of every redirect, even if none is followed, and raises for targets such as `about:blank`
or `http:foo`. What a server writes there must not decide how its response is classified.
"""

import httpx

LOCATION_CHARACTERS_MAX = 2000
"""No receiver of a ping needs a longer address."""
_EXTENSION = "oddaemon.location"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def detach_location(response: httpx.Response) -> None:
    """A response hook for every client: httpx then sees no redirect."""
    location = response.headers.pop("Location", None)
    if location is not None:
        response.extensions[_EXTENSION] = location


def get_location(response: httpx.Response) -> str | None:
    """Where the response redirects to, as the server wrote it. "": not a usable address. None: it does not redirect."""
    location: str | None = response.extensions.get(_EXTENSION)
    if location is None or response.status_code not in _REDIRECTS:
        return None
    return location if len(location) <= LOCATION_CHARACTERS_MAX and location.isprintable() else ""
