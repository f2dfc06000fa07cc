"""The query filter in front of an office's database: it accepts one plain SELECT.

Like the real one, it finds a forbidden word anywhere, even inside a text or a column name.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

FORBIDDEN_WORDS = ("SCHEMA",)
FORBIDDEN_KEYWORDS = frozenset(
    {
        TokenType.ALTER,
        TokenType.CREATE,
        TokenType.DELETE,
        TokenType.DROP,
        TokenType.INSERT,
        TokenType.INTO,
        TokenType.LOCK,
        TokenType.UPDATE,
    }
)
LIST_TERMINATORS = frozenset(
    {
        TokenType.COMMA,
        TokenType.FROM,
        TokenType.GROUP_BY,
        TokenType.HAVING,
        TokenType.LIMIT,
        TokenType.ORDER_BY,
        TokenType.R_PAREN,
        TokenType.WHERE,
    }
)


class QueryRefused(Exception):
    """The office's query filter rejects the statement (HTTP 401)."""


class SqlFailed(Exception):
    """The office's database answers with an error (HTTP 400)."""


def tokenize_query(sql: str, refuses: Iterable[str]) -> list[Token]:
    """Split the statement into tokens.

    Args:
        sql: The SqlCommand of the request.
        refuses: Additional words that this office rejects.

    Raises:
        QueryRefused: It is not one plain SELECT, or it contains a forbidden word.
        SqlFailed: It cannot be split into tokens.
    """
    if sql.lstrip()[: len("SELECT")].upper() != "SELECT":
        raise QueryRefused("Query must start with SELECT.")
    for word in (*FORBIDDEN_WORDS, *refuses):
        if word.upper() in sql.upper():
            raise _make_forbidden_error(word)
    try:
        tokens = MySQL().tokenize(sql)
    except SqlglotError as error:
        raise make_syntax_error(sql) from error
    _refuse_unsafe_tokens(tokens)
    _refuse_empty_items(tokens, sql)
    return tokens


def make_syntax_error(near: str) -> SqlFailed:
    """MySQL's error for a statement that it cannot parse."""
    return SqlFailed(
        "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version "
        f"for the right syntax to use near '{near[:80]}' at line 1"
    )


def _refuse_unsafe_tokens(tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.comments:
            raise _make_forbidden_error("comments")
        if token.token_type is TokenType.SEMICOLON:
            raise _make_forbidden_error(";")
    for token, next_token in pairwise([*tokens, tokens[-1]]):
        if token.token_type in FORBIDDEN_KEYWORDS and next_token.token_type is not TokenType.L_PAREN:
            raise _make_forbidden_error(token.text)


def _refuse_empty_items(tokens: Sequence[Token], sql: str) -> None:
    """The parser accepts a trailing comma; a server does not."""
    for token, next_token in pairwise([*tokens, tokens[-1]]):
        if token.token_type is TokenType.COMMA and (next_token is token or next_token.token_type in LIST_TERMINATORS):
            raise make_syntax_error(sql[next_token.start :])


def _make_forbidden_error(word: str) -> QueryRefused:
    return QueryRefused(f'Query cannot contain "{word.upper()}".')
