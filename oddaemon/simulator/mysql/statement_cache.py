"""Statements that differ only in the key they start from, or in the instant since when, are one statement.

A reader that pages by key sends a new text for every page. Parsing one takes eight times as long as running it, so the
key is taken out and the rest is translated once.
"""

import re

# Texts and quoted names are matched first, so that nothing inside them is taken for a key.
_PIECES = re.compile(
    r"""(?P<since>[<>]=?\s*)'(?P<instant>\d{4}-\d\d-\d\d\ \d\d:\d\d:\d\d)'(?=\s+THEN\b)
    |'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\bFROM\b
    |(?P<operator>[<>]=?\s*)(?P<key>[1-9]\d{0,17})(?![\w.])""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def extract_literals(sql: str) -> tuple[str, dict[str, int | str]]:
    """The statement with a named parameter for each value that makes it another text every time.

    Those are whole numbers that something is compared with by `<` or `>`, but only behind the last FROM, as before it
    a number may be part of a column's name; and instants in the condition of a CASE.

    Returns:
        The statement, and the values by parameter name: `key0` and on are numbers, `instant0` and on are texts.
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
