"""Statements that differ only in the key they start from are one statement.

A reader that pages by key sends a new text for every page. Parsing one takes eight times as long as running it, so the
key is taken out and the rest is translated once.
"""

import re

# Texts and quoted names are matched first, so that nothing inside them is taken for a key.
_PIECES = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\bFROM\b|(?P<operator>[<>]=?\s*)(?P<key>[1-9]\d{0,17})(?![\w.])""",
    re.IGNORECASE | re.DOTALL,
)


def without_keys(sql: str) -> tuple[str, dict[str, int]]:
    """The statement with a named parameter for each whole number that something is compared with by `<` or `>`.

    Only behind the last FROM: before it a number may be part of a column's name.

    Returns:
        The statement, and the numbers by parameter name.
    """
    last_from = max((piece.start() for piece in _PIECES.finditer(sql) if piece[0].upper() == "FROM"), default=len(sql))
    keys: dict[str, int] = {}

    def lifted(piece: re.Match[str]) -> str:
        if piece["key"] is None or piece.start() < last_from:
            return piece[0]
        name = f"key{len(keys)}"
        keys[name] = int(piece["key"])
        return f"{piece['operator']}:{name}"

    return _PIECES.sub(lifted, sql), keys
