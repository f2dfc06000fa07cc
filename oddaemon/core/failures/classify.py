"""Classifies an error response: its message, and the kind of failure behind it.

Bodies are a JSON string, a JSON object, plain text, an HTML page of a gateway, or empty. A message that the office's
server wrote is in that server's language. A body that no rule knows is a failure by its status, never a success.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.foreign_text import TYPOGRAPHY
from oddaemon.core.secret import Secret

MESSAGE_CHARACTERS_MAX = 200
BODY_CHARACTERS_MAX = 20_000
_NESTED_MAX = 3
"""JSON within a JSON string within a JSON string."""
_MESSAGE_FIELDS = frozenset(
    {"message", "error", "errors", "detail", "details", "title", "description", "error_description", "exceptionmessage"}
)
"""Fields of an error object that hold text for people."""
# An element that is never closed runs to the end, so no crafted text is scanned more than once.
_MARKUP = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[/!?a-z][^>]*(?:>|\Z)", re.DOTALL | re.IGNORECASE)
_INVALID_CHARACTER_REFERENCE = re.compile(r"&#[xX]?[0-9A-Fa-f]{9,}+;?")
"""A reference to a character that does not exist; `html.unescape` fails on numbers of thousands of digits."""
_HTML_PAGE = re.compile(r"[\ufeff\s]*<(!doctype|html|head|body|title|center|h1|\?xml)\b", re.IGNORECASE)


def extract_message(body: str, secrets: Iterable[Secret] = ()) -> str:
    """Extract the message of an error body: one line without markup or control characters, at most 200 characters.

    Secrets are masked in the extracted text, as the body may hold them as escapes, as entities or in two-byte letters.
    """
    text = _extract_text(body)
    for secret in secrets:
        text = secret.mask(text)
    return shorten_message(text)


def shorten_message(text: str) -> str:
    """`text`, or its beginning: at most 200 characters. Masking what it quotes may have lengthened it."""
    return text if len(text) <= MESSAGE_CHARACTERS_MAX else text[: MESSAGE_CHARACTERS_MAX - 1] + "…"


def classify_response(status: int, body: str, *, query: bool) -> FailureKind:
    """Classify a response that is not a success.

    Args:
        status: The HTTP status, anything but 2xx.
        body: The whole body or its beginning.
        query: True for a query, where the SQL may have caused a 400 or a 401; False for a GET.
    """
    text, is_page = _normalize(_extract_text(body)), _HTML_PAGE.match(body) is not None
    if status == 400:  # noqa: PLR2004  the statuses are those of HTTP
        return _classify_400(text, is_page=is_page, query=query)
    if status in (401, 403):
        return _classify_401(text, is_page=is_page and status == 403, query=query)  # noqa: PLR2004  as above
    if status in _BY_STATUS:
        of_query, of_get = _BY_STATUS[status]
        return of_query if query else of_get
    if not 500 <= status <= 599:  # noqa: PLR2004  as above
        return FailureKind.UNEXPECTED_STATUS
    return FailureKind.SERVER_ERROR if is_page else _classify_500(text, query=query)


def classify_success_text(body: str, *, query: bool) -> FailureKind | None:
    """Classify a body with the status of a success that is not what was asked for; None: it names no known error.

    A list of rows is never an error text, whatever its values say.
    """
    if not _is_error_text(body.strip("\ufeff\0 \r\n\t")):
        return None
    kind = classify_response(400, body, query=query)
    return None if kind in (FailureKind.UNKNOWN_400, FailureKind.GATEWAY_REFUSED) else kind


_BY_STATUS = {
    404: (FailureKind.NOT_FOUND, FailureKind.NOT_FOUND),
    407: (FailureKind.CONNECT, FailureKind.CONNECT),  # a proxy on our side
    408: (FailureKind.TIMEOUT, FailureKind.TIMEOUT),
    410: (FailureKind.NOT_FOUND, FailureKind.NOT_FOUND),
    413: (FailureKind.QUERY_REFUSED, FailureKind.UNEXPECTED_STATUS),
    429: (FailureKind.THROTTLED, FailureKind.THROTTLED),
    504: (FailureKind.GATEWAY_TIMEOUT, FailureKind.GATEWAY_TIMEOUT),
    511: (FailureKind.CONNECT, FailureKind.CONNECT),  # a network that requires a log-in
    524: (FailureKind.GATEWAY_TIMEOUT, FailureKind.GATEWAY_TIMEOUT),  # Cloudflare's name for 504
}
"""Statuses that need no look at the body: the kind for a query, and for a GET."""

_Rules = Mapping[FailureKind, re.Pattern[str]]


def _compile_any(*patterns: str) -> re.Pattern[str]:
    """Compile alternatives. They are matched against normalized text: see `_normalize`."""
    return re.compile("|".join(patterns))


_QUERY_RULES: _Rules = {
    FailureKind.QUERY_REFUSED: _compile_any(
        r"quer(y|ies) (can ?not|can't|must|may not|should not)",
        r"not (allowed|permitted) in (a |the |your )?quer",
        r"only select",
        r"(forbidden|disallowed|prohibited) (word|keyword|command|statement)",
        r"request( entity)? (is )?too (long|large)",
    ),
    FailureKind.QUERY_USER_RESTRICTED: _compile_any(
        r"command denied to user|access denied for user .{0,200} to database",
        r"befehl nicht erlaubt fur benutzer|benutzer .{0,200} hat keine zugriffsberechtigung fur datenbank",
        r"commande '[^']*' est interdite a l'utilisateur|comando [^ ]+ (negado|denegado) (para|a) (usuario|el usuario)",
        r"comando [^ ]+ negato per l'utente|commando geweigerd voor gebruiker",
    ),
}
"""Of queries only. A MySQL user with fewer rights, by whom the office runs them, says nothing about its database."""
_SQL_SYNTAX_ERROR = _compile_any("error in your sql syntax")
_OFFICE_RULES: _Rules = {
    FailureKind.ECONNECTOR_DOWN: _compile_any("e[ _-]?connector"),
    FailureKind.OFFICE_DATABASE: _compile_any(
        "mysql hosts|mysql server|too many connections|marked as crashed|is corrupt|lock wait timeout|deadlock found",
        r"got error \d+|incorrect key file|can't (open|find|create) (file|table)|no space left|disk full",
        "lost connection|gone away|shutdown in progress|--read-only|(command|access) denied (to|for) user",
        "out of memory|authentication to host|table '[^']*' is full",
    ),
}
_CAUSE_RULES: _Rules = {
    FailureKind.VERSION_TOO_OLD: _compile_any(
        "version issue|version (is )?(too old|outdated|not supported)",
        "(requires?|needs?|minimum) (open dental )?version",
        "(update|upgrade).{0,40}open dental|open dental.{0,40}(update|upgrade)",
        "version.{0,40}(zu alt|veraltet|trop ancienne|obsolete|antigua)",
    ),
    FailureKind.KEY_UNASSIGNED: _compile_any("(not|never) (been )?assigned|unassigned"),
    **_OFFICE_RULES,
    FailureKind.TIMEOUT: _compile_any(
        "query execution was interrupted|max_statement_time|max_execution_time|maximum statement execution time",
        "timeout expired|command timeout",
    ),
    FailureKind.OFFICE_NETWORK: _compile_any(
        "(un|not )able to (connect|reach)|(could|can) ?not (connect|reach|be reached)|network|unreachable|offline",
        "timed? ?-?out|failed to respond|did not properly respond|no route to host|no such host",
        "name could not be resolved|actively refused|forcibly closed|connection (was )?(refused|reset|closed|aborted)",
        "remoteserver|remotename|zeituberschreitung|servidor remoto|tiempo de espera|serveur distant|delai d'attente",
        "server remoto|externe server",
    ),
}
"""The first match counts: "update the eConnector, this is a version issue" is about the version."""
_KEY_RULES: _Rules = {
    FailureKind.PERMISSION_MISSING: _compile_any("permission|not permitted|not authorized for"),
    FailureKind.KEY_REJECTED: _compile_any(
        "key.{0,30}(invalid|not valid|disabled|revoked|expired|unknown|not found|not recogni[sz]ed|does not exist)",
        "(invalid|unknown|disabled|revoked|expired|incorrect) (api |customer |developer )?key",
    ),
}
_KNOWN_KEY = re.compile("disabled|revoked|expired", re.IGNORECASE)
_SQL_ERROR = _compile_any(
    "sql|syntax|unknown (column|table)|(does not|doesn't) exist|group function|group by|operand|is ambiguous",
    "not unique table|derived table|parameter count|native function|must be defined|duplicate column|subquery",
    "out of range|illegal mix|collation|character set",
    "incorrect (datetime|date|integer|decimal|double|usage)|max_join_size",
)
_GATEWAY = _compile_any(
    r"(suspend|block|bann|blacklist|denied|reject).{0,80}\b(ip|network|address|traffic|firewall)\b",
    r"\b(ip|network|address|traffic|firewall)\b.{0,80}(suspend|block|bann|blacklist|denied|reject)",
    "captcha|cloudflare|web application firewall",
)


def refine_unproven_key(failure: Failure) -> Failure:
    """Refine the failure of a key that was never accepted: it may be mistyped, unless the API seems to know it."""
    if failure.kind is FailureKind.KEY_REJECTED and not _KNOWN_KEY.search(failure.message):
        return replace(failure, kind=FailureKind.KEY_NEVER_ACCEPTED)
    return failure


def _classify_400(text: str, *, is_page: bool, query: bool) -> FailureKind:
    if query and (cause := _find_first_match(_QUERY_RULES, text)):
        return cause
    if query and _SQL_SYNTAX_ERROR.search(text):
        return FailureKind.SQL_ERROR
    if cause := _find_first_match(_CAUSE_RULES, text):
        return cause
    if query and _SQL_ERROR.search(text):
        return FailureKind.SQL_ERROR
    if is_page:
        return FailureKind.GATEWAY_REFUSED
    # If a query is refused because of its key, the GET that follows shows that.
    return FailureKind.UNKNOWN_400 if query else _find_first_match(_KEY_RULES, text) or FailureKind.UNKNOWN_400


def _classify_401(text: str, *, is_page: bool, query: bool) -> FailureKind:
    if query and (cause := _find_first_match(_QUERY_RULES, text)):
        return cause
    if cause := _find_first_match(_OFFICE_RULES, text):
        return cause
    if is_page or _GATEWAY.search(text):
        return FailureKind.GATEWAY_REFUSED
    if query:
        return FailureKind.UNKNOWN_401
    if (cause := _find_first_match(_CAUSE_RULES, text)) is FailureKind.KEY_UNASSIGNED:
        return cause
    return _find_first_match(_KEY_RULES, text) or FailureKind.KEY_REJECTED


def _classify_500(text: str, *, query: bool) -> FailureKind:
    if query and _QUERY_RULES[FailureKind.QUERY_USER_RESTRICTED].search(text):
        return FailureKind.QUERY_USER_RESTRICTED
    return _find_first_match(_OFFICE_RULES, text) or FailureKind.SERVER_ERROR


def _find_first_match(rules: _Rules, text: str) -> FailureKind | None:
    return next((kind for kind, pattern in rules.items() if pattern.search(text)), None)


def _normalize(text: str) -> str:
    """Prepare for matching: lower case, no accents, plain quotes and hyphens."""
    characters = unicodedata.normalize("NFKD", text.translate(TYPOGRAPHY))
    return "".join(character for character in characters if not unicodedata.combining(character)).casefold()


def _extract_text(body: str) -> str:
    """Extract the text for people from a body, on one line."""
    text = body[:BODY_CHARACTERS_MAX].replace("\0", "").strip("\ufeff \r\n\t")
    for _ in range(_NESTED_MAX):
        if not text.startswith(('"', "{", "[")):
            break
        try:
            text = " ".join(_collect_texts(json.loads(text))).strip()
        except (ValueError, RecursionError):
            break
    text = html.unescape(_INVALID_CHARACTER_REFERENCE.sub(" ", _MARKUP.sub(" ", text)))
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.strip().strip('"').split())


def _is_error_text(text: str) -> bool:
    """Whether a body is a text for people: plain, a page, a JSON string, or an object with a message."""
    if not text.startswith(("{", "[")):
        return True
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    items = value if isinstance(value, list) else [value]
    return 0 < len(items) <= _NESTED_MAX and all(map(_is_message, items))


def _is_message(value: object) -> bool:
    if isinstance(value, dict):
        return any(name.casefold() in _MESSAGE_FIELDS and isinstance(text, str) for name, text in value.items())
    return isinstance(value, str)


def _collect_texts(value: object) -> list[str]:
    """Collect the texts of a JSON value: those for people if there are any, otherwise all."""
    found: list[str] = []
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                found.append(text)
            case dict() as fields:
                messages = [each for name, each in fields.items() if name.casefold() in _MESSAGE_FIELDS]
                pending += reversed(messages or list(fields.values()))
            case list() as items:
                pending += reversed(items)
    return found
