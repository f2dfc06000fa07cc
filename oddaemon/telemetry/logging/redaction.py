"""The second line of defence for secrets: replaces them before anything is written.

The first line is that no event, error or status holds a secret. Do not rely on this one: it knows only
registered secrets.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from urllib.parse import quote

from oddaemon.core.secret import MASK

CHARACTERS_MIN = 4
"""Shorter values are not replaced: they occur in ordinary words."""
SHORT_CHARACTERS_MAX = 400
"""Of a shorter text, nearly every field of an event, its prefixes are compared one by one."""

_URL_SECRETS = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*://)(?:[^\s/?#'\"@]*@)?(?P<place>[^\s?#'\"]*)(?P<query>\?[^\s#'\"]*)?"
)
_API_KEYS = re.compile(r"ODFHIR\s+[^\s'\",]+")


class Redactor:
    """Knows the secrets of this process and replaces them in texts."""

    def __init__(self) -> None:
        self._forms_by_prefix: dict[str, set[str]] = {}

    def add_secrets(self, values: Iterable[str]) -> None:
        """Register values. They are also replaced as quoted for a URL, in JSON or in a repr."""
        for value in values:
            for form in _list_encoded_forms(value):
                prefix = form[:CHARACTERS_MIN]
                self._forms_by_prefix[prefix] = {*self._forms_by_prefix.get(prefix, ()), form}

    def redact_text(self, text: str) -> str:
        """`text` without secrets: registered values, passwords and queries of URLs, authorization headers.

        Not for a text with a syntax of its own, such as JSON: a match may take the escape of a quote with it.
        """
        if "://" in text:
            text = _URL_SECRETS.sub(_redact_url, text)
        if "ODFHIR" in text:
            text = _API_KEYS.sub(f"ODFHIR {MASK}", text)
        return self._redact_registered(text)

    def redact_value(self, value: object) -> object:
        """The same for every string inside lists and mappings."""
        if not isinstance(value, list | tuple | Mapping):
            return self.redact_text(value) if isinstance(value, str) else value
        # The documents of large fleets repeat most of their strings.
        redact = cache(self.redact_text)

        def redact_inner(inner: object) -> object:
            match inner:
                case str():
                    return redact(inner)
                case list() | tuple():
                    return [redact_inner(item) for item in inner]
                case Mapping():
                    return {redact_inner(key): redact_inner(item) for key, item in inner.items()}
            return inner

        return redact_inner(value)

    def redact_fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The same for every string in the values of a mapping and below."""
        return {name: self.redact_value(value) for name, value in fields.items()}

    def _redact_registered(self, text: str) -> str:
        # With thousands of customer keys and a status document of a million characters, one pass finds which prefixes
        # occur; only the secrets with these prefixes are searched for.
        if len(text) <= SHORT_CHARACTERS_MAX:
            prefixes = [text[start : start + CHARACTERS_MIN] for start in range(len(text) - CHARACTERS_MIN + 1)]
            if self._forms_by_prefix.keys().isdisjoint(prefixes):
                return text
        found = set(map("".join, zip(*(text[start:] for start in range(CHARACTERS_MIN)), strict=False)))
        possible = [form for prefix in self._forms_by_prefix.keys() & found for form in self._forms_by_prefix[prefix]]
        if not possible:
            return text
        longest_first = sorted(possible, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), MASK, text)


def _list_encoded_forms(value: str) -> set[str]:
    escaped = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])
    return {form for form in (value, quote(value, safe=""), *escaped) if len(form) >= CHARACTERS_MIN}


def _redact_url(url: re.Match[str]) -> str:
    user = f"{MASK}@" if url.group(0).partition("?")[0] != url["scheme"] + url["place"] else ""
    query = f"?{MASK}" if url["query"] else ""
    return f"{url['scheme']}{user}{url['place']}{query}"
