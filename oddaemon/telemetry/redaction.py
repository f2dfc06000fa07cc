"""The second line of defence for secrets: what the first lets through is blotted out before it is written.

The first line is that no event, error or status ever holds a secret. This one must never be needed, and never trusted
to know a secret that nobody registered.
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

BLOT = "***"

CHARACTERS_MIN = 4
"""A shorter value is not a secret but a syllable; blotting it out everywhere would only make logs unreadable."""

_URL_SECRETS = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*://)(?:[^\s/?#'\"@]*@)?(?P<place>[^\s?#'\"]*)(?P<query>\?[^\s#'\"]*)?"
)
_API_KEYS = re.compile(r"ODFHIR\s+[^\s'\",]+")


class Redactor:
    """Knows the secrets of this process, and replaces them in whatever is about to be written."""

    def __init__(self) -> None:
        self._by_beginning: dict[str, set[str]] = {}

    def hide(self, values: Iterable[str]) -> None:
        """From now on these values are replaced, also where they stand quoted for a URL, in JSON or in a repr."""
        for value in values:
            for form in _forms(value):
                beginning = form[:CHARACTERS_MIN]
                self._by_beginning[beginning] = {*self._by_beginning.get(beginning, ()), form}

    def text(self, text: str) -> str:
        """`text` without secrets: registered values, passwords and queries of URLs, authorization headers."""
        if "://" in text:
            text = _URL_SECRETS.sub(_without_secrets, text)
        if "ODFHIR" in text:
            text = _API_KEYS.sub(f"ODFHIR {BLOT}", text)
        return self._without_registered(text)

    def value(self, value: object) -> object:
        """The same for every string inside lists and mappings."""
        match value:
            case str():
                return self.text(value)
            case list() | tuple():
                return [self.value(item) for item in value]
            case dict():
                return {self.value(key): self.value(item) for key, item in value.items()}
            case _:
                return value

    def _without_registered(self, text: str) -> str:
        # Thousands of customer keys are normal, and a status document of a million characters: so the text is gone
        # through once, in C, for what any of them could begin with, and again only for those that it could hold.
        beginnings = set(map("".join, zip(*(text[start:] for start in range(CHARACTERS_MIN)), strict=False)))
        possible = [
            form for beginning in self._by_beginning.keys() & beginnings for form in self._by_beginning[beginning]
        ]
        if not possible:
            return text
        longest_first = sorted(possible, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), BLOT, text)


def _forms(value: str) -> set[str]:
    escaped = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])
    return {form for form in (value, quote(value, safe=""), *escaped) if len(form) >= CHARACTERS_MIN}


def _without_secrets(url: re.Match[str]) -> str:
    user = f"{BLOT}@" if url.group(0).partition("?")[0] != url["scheme"] + url["place"] else ""
    query = f"?{BLOT}" if url["query"] else ""
    return f"{url['scheme']}{user}{url['place']}{query}"
