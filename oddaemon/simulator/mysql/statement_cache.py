"""Treats statements that differ only in their first key or in their instants as one statement.

A reader that pages by key sends a new text for every page. Parsing takes eight times as long as running, so the key is
replaced by a parameter and the rest is translated once.
"""

import re

# Texts and quoted names match first, so that nothing inside them matches as a key.
_PIECES = re.compile(
    r"""(?P<since>[<>]=?\s*)'(?P<instant>\d{4}-\d\d-\d\d\ \d\d:\d\d:\d\d)'(?=\s+THEN\b)
    |'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\bFROM\b
    |(?P<operator>[<>]=?\s*)(?P<key>[1-9]\d{0,17})(?![\w.])""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def extract_literals(sql: str) -> tuple[str, dict[str, int | str]]:
    """Replace each value that varies between statements by a named parameter.

    These are whole numbers in a comparison by `<` or `>` after the last FROM (before it a number may be part of a
    column's name), and instants in the condition of a CASE.

    Returns:
        The statement, and the values by parameter name: `key0`, … are numbers, `instant0`, … are texts.
    """
    last_from = max((piece.start() for piece in _PIECES.finditer(sql) if piece[0].upper() == "FROM"), default=len(sql))
    literals: dict[str, int | str] = {}

    def replace_literal(piece: re.Match[str]) -> str:
        if piece["instant"] is not None:
            name = f"instant{len(literals)}"
            literals[name] = piece["instant"]
            return f"{piece['since']}:{name}"
        if piece["key"] is None or piece.start() < last_from:
            return piece[0]
        name = f"key{len(literals)}"
        literals[name] = int(piece["key"])
        return f"{piece['operator']}:{name}"

    return _PIECES.sub(replace_literal, sql), literals
